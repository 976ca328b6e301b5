"""The course's widgets: player, knobs, live analysis and the monitor behind it."""
