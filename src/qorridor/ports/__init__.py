"""What the stages need from the world, as Protocols: clock, entropy, key sources, stores, encryptors."""
