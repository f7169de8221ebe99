"""Drives the conformance suite against a KME: connections, cases grouped by subject, the run."""
