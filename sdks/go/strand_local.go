package towline

// What the places of this process do with their strands. After a strand's end these give ErrEnded, and
// do nothing: the work after the answer has a strand of its own.

func (s *Strand) ended() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.own.Ended
}

// event ticks without the cost of a stamp.
func (s *Strand) event() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.tick() {
		return ErrEnded
	}
	return nil
}

func (s *Strand) eventStamp() (Clock, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.tick() {
		return Clock{}, ErrEnded
	}
	return s.stamp(), nil
}

// spawn forks, and returns the stamp that the child starts from and the fork's tick.
func (s *Strand) spawn(detached bool) (Clock, uint32, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.fork(detached) {
		return Clock{}, 0, ErrEnded
	}
	return s.stamp(), s.own.Tick, nil
}

// tryEnd is End without the cost of a stamp. It reports whether this was the end.
func (s *Strand) tryEnd() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.end()
}

// joinStrand learns all that child knows, which was forked attached at t in this process and has ended.
func (s *Strand) joinStrand(t uint32, child *Strand) {
	child.mu.Lock()
	end, plain := child.own, child.above == nil && child.first == s.first
	var whole *lineage
	if !plain {
		whole = child.lineage()
	}
	child.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if plain {
		s.join(t, &end) // it knows nothing new of the hops above; after its end its lists stay as they are
	} else if err := s.learn(whole); err != nil && err != ErrEnded {
		s.lost(t)
	}
}
