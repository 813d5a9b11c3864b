"""The shell around the core: configuration, the driver loop, gRPC servers, peer links, telemetry, and their wiring."""
