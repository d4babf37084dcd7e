"""The vendor, simulated by its own reading of the vendor's page. Ships in the wheel."""
