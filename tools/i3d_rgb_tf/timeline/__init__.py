"""Videos -> timeline: what the network sees at each moment, and when each action happens."""
