"""The network with fewer multiplications: minimal filtering along the time axis."""
