"""What telemetry means for people; nothing here can lift an abort, release a key or relax a bound."""
