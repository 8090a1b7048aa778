//! The vault's folder: list, read, durable write, move between stages, logs, quarantine.
