# Solutions to the exercises of notebook 02. Paste a part into the empty cell of its exercise.

# %% 1 · The gain of pre-emphasis
# -22 and +5 dB: the gain is |1 - 0.97 exp(-2 pi i f / sr)|, -30 dB at 0 Hz and +6 dB at sr / 2.
t = np.arange(sr) / sr  # one second
gains = []
for f in (100, 3000):
    tone_f = np.sin(2 * np.pi * f * t)
    after_f = tone_f[1:] - 0.97 * tone_f[:-1]
    gains.append(20 * np.log10(after_f.std() / tone_f[1:].std()))
low_gain, high_gain = gains

# %% 2 · How many MFCC
# 11.3, 9.1, 8.3 and 4.6 dB.
errors = {}
for keep in (1, 5, 10, 20):
    errors[keep] = np.sqrt(np.mean((mfcc[:, :keep] @ cosines[:keep] - mel) ** 2))

# %% 3 · Undo the constant
# 0.1, as in the recording itself: only a gain is left, which shifts every level alike.
quieter = gain * (0.01 * x) + constant
share_without_mean = share_at_floor(quieter - quieter.mean())
