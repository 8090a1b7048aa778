//! What all binaries share: configuration files, logging, signals, drain, exit codes, systemd notification.
