"""`premade demo`: a catalogue, a partner, a first sale, and 90 days of plausible history."""
