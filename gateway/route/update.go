package route

// Update makes a table with routes added, or replaced by those of the same name, and others removed by name. What
// does not change is shared with t, which stays as it is (M5): the work goes with the change and the depth
// of the tree, not with the size of the table. Removing what is not there is no error; the routes of set
// come after the removals.
func (t *Table) Update(set []*Route, remove []string) (*Table, error) {
	if err := checkNew(set); err != nil {
		return nil, err
	}
	u := update{changes: make([]change, 0, len(set)), ids: make([]change, 0, len(set))}
	removed := make(map[string]bool, len(remove))
	for _, id := range remove {
		if !removed[id] {
			u.take(t.Get(id))
		}
		removed[id] = true
	}
	for _, r := range set {
		if t.size > 0 && !removed[r.Def.ID] {
			u.take(t.Get(r.Def.ID))
		}
		u.hang(r, false)
	}
	sortChanges(u.changes)
	sortChanges(u.ids)
	return &Table{
		paths: t.paths.edit(0, u.changes),
		ids:   t.ids.edit(0, u.ids),
		size:  t.size + u.growth,
	}, nil
}

// update collects what changes in the two trees of a table.
type update struct {
	changes, ids []change
	growth       int
}

// take takes a route out, if it is not nil.
func (u *update) take(r *Route) {
	if r != nil {
		u.hang(r, true)
	}
}

// hang hangs a route into its places, or takes it out of them.
func (u *update) hang(r *Route, gone bool) {
	for _, p := range r.places {
		u.changes = append(u.changes, change{p, r, gone})
	}
	u.ids = append(u.ids, change{place{r.Def.ID, false}, r, gone})
	if gone {
		u.growth--
	} else {
		u.growth++
	}
}
