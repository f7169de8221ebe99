"""What every adapter shares: TLS, HTTP, frames, atomic files, the system's clock and entropy."""
