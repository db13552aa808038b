package harness

import (
	"fmt"
	"sync/atomic"
)

// Numbers makes phone numbers that are valid in the United States.
type Numbers struct{ made atomic.Int64 }

// Next is a unique number whose last digits choose no behaviour of the simulator.
// Numbers repeat after a few million.
func (n *Numbers) Next() string {
	i := n.made.Add(1)
	return fmt.Sprintf("+1206%03d%04d", 300+i/7000%600, 1000+i%7000)
}

// Ending is a unique number with these last digits, which choose the simulator's
// behaviour.
func (n *Numbers) Ending(digits string) string {
	return fmt.Sprintf("+1425%03d%s", 300+n.made.Add(1)%600, digits)
}
