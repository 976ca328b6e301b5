# Solutions to the exercises of lesson 4. Paste a part into the empty cell of its exercise.

# %% 1 · Without the largest donor
# 4.6 instead of 3.3: the other six babies gave 3, 1, 1, 1, 1 and 1 clips.
without = effective(n.iloc[1:])

# %% 2 · A perfect recogniser of babies
# 91 % of all clips, 84 % of those that are not hungry: most babies have one reason.
perfect = pd.crosstab(clips.infant, clips.label).max(axis=1).sum() / len(clips)
others = clips[clips.label != "hungry"]
without_hungry = pd.crosstab(others.infant, others.label).max(axis=1).sum() / len(others)

# %% 3 · Voice or microphone
# "Same baby, other session" falls from 71 to 48 %: other microphones hide a part of the voice.
# The reasons of other babies agree twice as often as by chance, since signal=0.5 gave them a sound.
table_one, table_many = (
    nearest_neighbours(room, audio.summarise(audio.features(room, kind="mfcc", sr=sr)))
    for room in (one_room, many_rooms)
)
