"""The dashboards' and objectives' source; ``./run dashboards`` writes what it makes."""
