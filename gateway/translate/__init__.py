"""The quiet core: from what a caller asked to what the vendor must be asked. No I/O."""
