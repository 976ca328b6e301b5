# Solutions to the exercises of notebook 11. Paste a part into the empty cell of its exercise.

# %% 1 · Twice the amplitude
# Power is the square of the amplitude, so the ratio falls by 10 log10(4), about 6 dB.
change_db = 10 * np.log10(1 / 2**2)

# %% 2 · A noisy night
# The mean is nearer to the worse model: in noise the sound model is wrong and sure.
night = together(answers["noise.0"]["cry2"], answers["dim.4"]["image"])

# %% 3 · Without unsure sound
# Confidence stays high in noise, so few clips are left out, and no gain is shown.
careful = calibrated("cry2", answers["noise.0"]["cry2"])[1]
fallback = together(careful, face)["full"]
