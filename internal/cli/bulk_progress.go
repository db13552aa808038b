package cli

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/schollz/progressbar/v3"
)

// progress reads the file that is sent and shows a progress bar.
type progress struct {
	in   io.Reader
	name string
	bar  *progressbar.ProgressBar
	out  io.Writer
}

func newProgress(in io.Reader, name string, size int64, out io.Writer) *progress {
	return &progress{in: in, name: name, out: out, bar: progressbar.NewOptions64(size,
		progressbar.OptionSetWriter(out), progressbar.OptionShowBytes(true),
		progressbar.OptionSetDescription(name+" submitted"), progressbar.OptionThrottle(time.Second/10),
	)}
}

// Read implements io.Reader. The last bytes are sent long before the last rows
// are accepted: from then on the bar says that the response is awaited.
func (p *progress) Read(b []byte) (int, error) {
	n, err := p.in.Read(b)
	_ = p.bar.Add(n)
	if errors.Is(err, io.EOF) {
		p.bar.Describe(p.name + " sent, waiting for the response")
	}
	return n, err //nolint:wrapcheck // callers compare with io.EOF
}

// end keeps the bar at its last position.
func (p *progress) end() {
	_ = p.bar.Exit()
	fmt.Fprintln(p.out)
}
