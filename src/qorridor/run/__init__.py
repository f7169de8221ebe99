"""Keys in motion: agreement between nodes, relay, roll-over and fallback; no input or output."""
