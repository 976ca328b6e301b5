# Solutions to the exercises of lesson 3. Paste a part into the empty cell of its exercise.

# %% 1 · Aliasing
heard = 8000 - 5500

# %% 2 · Bins that are 10 Hz apart
samples = sr / 10

# %% 3 · The share of tone 1
# 13 % in the cry of DonateACry.
amplitudes = parts["the cry"][1]
share = (amplitudes[0] ** 2).sum() / (amplitudes**2).sum()

# %% 4 · How many MFCC
errors = {}
for keep in (1, 4, 13, 40):
    levels = cosines[:keep].T @ (cosines[:keep] @ mel)
    errors[keep] = np.sqrt(np.mean((levels - mel) ** 2))
