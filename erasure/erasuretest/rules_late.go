package erasuretest

// What a slow drive was asked may happen after everybody has given up on it. These
// are runs of the simulator that found something, minimised.
func lateRules() []StoreRule {
	return []StoreRule{
		{ID: "E3", Name: "late-rename", Text: "What a slow drive renames after the put was refused is never seen.",
			story: told(geometry{1, 1}, `
				slow a d0 #2640965167
				put a d1 #2473133785`)},
		{ID: "E5", Name: "late-rename-deleted", Text: "What a slow drive renames after the object was deleted is never seen.",
			story: told(geometry{1, 1}, `
				slow a/b d1 #949465879
				put a/b d1 #398410956
				delete a/b d1 #519346314`)},
		{ID: "E13", Name: "late-upload", Text: "What a slow drive brings back of an upload that is complete keeps no new drive from being healed.",
			story: told(geometry{2, 1}, `
				wipe a/b d1 #3600025708
				slow a/b d0 #38155853
				upload k d1 #1973700159`)},
		{ID: "E13", Name: "late-heal", Text: "A heal that cannot know, since a drive is slow, whether a version is there says so.",
			story: told(geometry{3, 2}, `
				wipe a d0 #866689379
				put a d4 #3964824896
				version a d3 #2669591767
				eio a d1 #233301287
				slow a d2 #3108714800
				put a d4 #44065407
				version a d0 #1083189978
				power k d4 #3680826496
				deep a d2 #2679455667
				slow a d0 #3884479472
				hangup a d1 #2814932240
				lose a d3 #1446714665
				heal k d4 #4052798718
				get a d1 #414268186`)},
	}
}

// told is the story of a run.
func told(g geometry, text string) func(*trial) {
	return func(t *trial) {
		steps, err := ParseSteps(text)
		must(err, "reading the story")
		if _, broken := simulate(t.impl, 0, g, steps); broken != nil {
			panic(*broken)
		}
	}
}
