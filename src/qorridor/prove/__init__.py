"""What is claimed has evidence: Merkle trees, signed checkpoints, their verification."""
