package peers

import (
	"errors"
	"testing"

	"golang.org/x/sync/errgroup"

	towline "towline.invalid/go"
)

func TestWorkOfAnErrgroupIsConcurrentAndJoined(t *testing.T) {
	failure := errors.New("failure")
	ctx := towline.NewContext(t.Context(), newTowline("group").Begin())
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(2)
	stamps := make([]towline.Clock, 4)
	joins := make([]func(), 0, len(stamps))
	for i := range stamps {
		child, join := towline.Fork(ctx)
		joins = append(joins, join)
		group.Go(func() error {
			stamps[i] = towline.Event(child)
			if i == 3 {
				return failure
			}
			return nil
		})
	}
	if err := group.Wait(); !errors.Is(err, failure) {
		t.Errorf("the group gave %v", err)
	}
	unjoined := towline.Event(ctx)
	for _, join := range joins {
		join()
	}
	joined := towline.Event(ctx)
	for i, stamp := range stamps {
		if other := stamps[(i+1)%len(stamps)]; stamp.Compare(other) != towline.Concurrent {
			t.Errorf("two of the group are %s", stamp.Compare(other))
		}
		if stamp.Compare(unjoined) != towline.Concurrent || stamp.Compare(joined) != towline.Before {
			t.Errorf("before the joins %s, after them %s", stamp.Compare(unjoined), stamp.Compare(joined))
		}
	}
}
