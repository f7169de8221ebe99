"""The product's words: quantities with units, secrets, identities, canonical encodings, errors."""
