"""Calls outward: clients, and which addresses they may reach. The one home of httpx."""
