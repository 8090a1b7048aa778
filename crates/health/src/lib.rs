//! Heartbeats, disk, error rate, watermarks, alarms, readiness.
