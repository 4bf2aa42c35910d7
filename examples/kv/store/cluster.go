package store

// Alarms and members: small tables about the cluster, replicated with the data.

func (w *writer) alarm(r *AlarmRequest) *AlarmResponse {
	resp := &AlarmResponse{Revision: w.meta.revision}
	_, active := w.storage.Get(tableAlarms, alarmKey(r.Alarm))
	switch r.Action {
	case AlarmGet:
		for _, a := range alarmsOf(w.storage) {
			if r.Type == AlarmNone || r.Type == a.Type {
				resp.Alarms = append(resp.Alarms, a)
			}
		}
	case AlarmActivate:
		if r.Type == AlarmNone {
			break
		}
		w.storage.Set(tableAlarms, alarmKey(r.Alarm), nil)
		resp.Alarms = []Alarm{r.Alarm}
	case AlarmDeactivate:
		if active {
			w.storage.Delete(tableAlarms, alarmKey(r.Alarm))
			resp.Alarms = []Alarm{r.Alarm}
		}
	}
	w.setAlarms()
	return resp
}

// setAlarms brings the flags up to date with the table.
func (s *Store) setAlarms() {
	s.noSpace, s.corrupt = false, false
	for _, a := range alarmsOf(s.storage) {
		s.noSpace = s.noSpace || a.Type == AlarmNoSpace
		s.corrupt = s.corrupt || a.Type == AlarmCorrupt
	}
}

func alarmsOf(r Reader) (alarms []Alarm) {
	c := r.Cursor(tableAlarms)
	defer c.Close()
	for c.Seek(nil); c.Valid(); c.Next() {
		alarms = append(alarms, alarmOf(c.Key()))
	}
	return alarms
}

// Alarms returns those that are active, by type and member.
func (s *Store) Alarms() []Alarm {
	v := s.read()
	defer v.Close()
	return alarmsOf(v)
}

func (w *writer) memberSet(r *MemberSetRequest) *MemberSetResponse {
	c := codec{writing: true}
	c.member(&r.Member)
	w.storage.Set(tableMembers, memberKey(r.ID), c.b)
	return &MemberSetResponse{Revision: w.meta.revision}
}

// memberRemove takes the member's alarms along: nobody would disarm them.
func (w *writer) memberRemove(r *MemberRemoveRequest) *MemberRemoveResponse {
	w.storage.Delete(tableMembers, memberKey(r.ID))
	for _, a := range alarmsOf(w.storage) {
		if a.Member == r.ID {
			w.storage.Delete(tableAlarms, alarmKey(a))
		}
	}
	w.setAlarms()
	return &MemberRemoveResponse{Revision: w.meta.revision}
}

// Members returns the rows of the members, by id.
func (s *Store) Members() (members []Member) {
	v := s.read()
	defer v.Close()
	c := v.Cursor(tableMembers)
	defer c.Close()
	for c.Seek(nil); c.Valid(); c.Next() {
		var m Member
		row := codec{b: c.Value()}
		row.member(&m)
		members = append(members, m)
	}
	return members
}
