# Solutions to the exercises of lesson 6. Paste a part into the empty cell of its exercise.

# %% 1 · The filter, turned
# Much less than before: the patch has a bright row, not a bright column.
turned = (patch * stripes.T).sum()

# %% 2 · Babies, not clips
# The number differs between machines, as the networks do.
is_right = answers.predicted == answers.truth
babies_right = (is_right.groupby(answers.infant).mean() > 0.5).sum()

# %% 3 · A higher voice
# 15 of 22 babies: at least so many, up or down, would happen by chance about once in seven times.
higher = (voice["pain"] > voice["discomfort"]).sum()
