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
