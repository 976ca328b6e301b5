# Solutions to the exercises of notebook 13. Paste a part into the empty cell of its exercise.

# %% 1 · Less music
# The threshold rises from 0.36 to 0.94. For unknown music, see "kind held out".
my_threshold = shares[shares.music <= 1].index[0]

# %% 2 · The first right answer
# A step that is right only in easy cases looks fast, so compare how often the state never comes.
def first_time(step, readings, label):
    for reading in readings:
        p = step(reading)
        if p and max(p, key=p.get) == label:
            return reading.time
    return np.nan


seconds = pd.DataFrame({
    name: [first_time(step, rs, c.label) for rs, c in zip(replays, strangers, strict=True)]
    for name, step in steps.items()
})

# %% 3 · Fewer bits
# Four bits change few answers; three or two change clearly more.
by_bits = {}
for bits in (8, 6, 4, 3, 2):
    weights = [rounded(v, 2**bits)[0] if v.ndim > 1 else v for v in floats.get_weights()]
    by_rounding.set_weights(weights)
    answer = inputs.by_clip(by_rounding.predict(x, verbose=0), owner, len(clips))[test].argmax(1)
    by_bits[bits] = (answer != said["32-bit floats"]).sum()
