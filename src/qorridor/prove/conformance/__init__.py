"""The conformance suite for ETSI GS QKD 014 without its input and output: cases, verdicts, judgements, redaction."""
