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

# %% 2 · Undo the constant
# 0.75 and 0.05, the share of the recording itself: only a gain is left, which shifts every level alike.
quieter = gain * (x * 10 ** (-30 / 20)) + constant
share_scaled = share_at_floor(quieter)
share_without_mean = share_at_floor(quieter - quieter.mean())
