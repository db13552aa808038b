package cli

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/schollz/progressbar/v3"
)

// progress is a file being handed over, with a bar that shows it.
type progress struct {
	in   io.Reader
	name string
	bar  *progressbar.ProgressBar
	out  io.Writer
}

func newProgress(in io.Reader, name string, size int64, out io.Writer) *progress {
	return &progress{in: in, name: name, out: out, bar: progressbar.NewOptions64(size,
		progressbar.OptionSetWriter(out), progressbar.OptionShowBytes(true),
		progressbar.OptionSetDescription(name+" handed over"), progressbar.OptionThrottle(time.Second/10),
	)}
}

// Read implements io.Reader. The last bytes leave long before the last rows are
// taken: from then on the bar says what is waited for.
func (p *progress) Read(b []byte) (int, error) {
	n, err := p.in.Read(b)
	_ = p.bar.Add(n)
	if errors.Is(err, io.EOF) {
		p.bar.Describe(p.name + " handed over, waiting for the answer")
	}
	return n, err //nolint:wrapcheck // io.EOF has to stay itself
}

// end leaves the bar as far as it came.
func (p *progress) end() {
	_ = p.bar.Exit()
	fmt.Fprintln(p.out)
}
