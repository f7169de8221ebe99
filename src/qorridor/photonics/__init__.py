"""Turn a source, a fibre and a detector into clicks and rates."""
