package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mmsdispatch/internal/config"
	"mmsdispatch/internal/media"
	"mmsdispatch/internal/mediafit"
	"mmsdispatch/internal/message"
)

// newMedia groups the commands about media.
func newMedia() *cobra.Command {
	cmd := &cobra.Command{Use: mediaField, Short: "Show what MEDIA_FIT makes of a picture"}
	cmd.AddCommand(newMediaFit())
	return cmd
}

// newMediaFit makes one file fit.
func newMediaFit() *cobra.Command {
	f := fit{}
	cmd := &cobra.Command{
		Use:   "fit FILE|URL",
		Short: "Make a picture fit as a worker with MEDIA_FIT=on does, and write the result",
		Long: "Shows type, size and bytes of a picture before and after, and with which quality it would be sent, and writes\n" +
			"the result. The limit is that of a message with this one media: SINCH_SENDER_MEDIA of --sender, else MEDIA_MAX_BYTES\n" +
			"or what carriers accept from a number of that kind, whichever is lower.",
		Example: "  mmsctl media fit menu.png --sender +12065550100\n" +
			"  mmsctl media fit https://example.com/menu.heic --out menu.jpg",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := config.FromOS(config.Ctl)
			if err != nil {
				return fmt.Errorf("configuration: %w", err)
			}
			f.limits = cfg.Media
			return f.run(cmd, args[0])
		},
	}
	cmd.Flags().StringVar(&f.sender, "sender", "", "number that the message is sent from; empty: one without a limit of its own")
	cmd.Flags().StringVar(&f.file, "out", "", "file of the result; empty: NAME.fit.EXT in the working directory")
	return cmd
}

// fit makes one file fit.
type fit struct {
	limits config.Media
	sender string
	file   string // of the result; empty: named after the source
}

const (
	// fitSourceMax is the size of the largest source, as of a worker.
	fitSourceMax = 20 << 20
	// fitTimeout is how long the host of a source has to send it.
	fitTimeout = 15 * time.Second
)

func (f fit) run(cmd *cobra.Command, source string) error {
	ctx := cmd.Context()
	data, claimed, err := f.read(ctx, source)
	if err != nil {
		return err
	}
	before, err := mediafit.Inspect(claimed, data)
	if err != nil {
		return fmt.Errorf("%s would not be sent: %w", path.Base(source), err)
	}
	limit, err := f.limit()
	if err != nil {
		return err
	}
	after, err := mediafit.New().Fit(ctx, claimed, data, limit)
	if err != nil {
		return fmt.Errorf("it would not be sent with a limit of %d bytes: %w", limit, err)
	}
	target := f.file
	if target == "" {
		target = fittedName(source, after.Type)
	}
	if err := os.WriteFile(target, after.Data, 0o644); err != nil { //nolint:gosec // it is what anyone with the link would see
		return fmt.Errorf("write the result: %w", err)
	}
	shown := shownFit{
		Before: shownMedia{before.Type, len(data), before.Width, before.Height},
		After:  shownMedia{after.Type, len(after.Data), after.Width, after.Height},
		Limit:  limit, Quality: after.Quality, Colours: after.Colours, Frames: after.Frames, Still: after.Still, File: target,
	}
	return result(cmd, shown, line("before  %s\nafter   %s\nwritten to %s", describeMedia(before, len(data)),
		describeMedia(after.File, len(after.Data))+treatment(after, len(data)), target))
}

// limit is how many bytes a media of the sender may have that is alone in its message.
func (f fit) limit() (int64, error) {
	sender := message.CanonicalSender(f.sender)
	if own, ok := f.limits.SenderBytes.Limits()[sender]; ok {
		return own, nil
	}
	carriers, err := mediafit.ReadCarriers()
	if err != nil {
		return 0, fmt.Errorf("media: %w", err)
	}
	return carriers.Limit(sender, f.limits.MaxBytes), nil
}

// shownFit is what was made of a media, in JSON.
type shownFit struct {
	Before  shownMedia `json:"before"`
	After   shownMedia `json:"after"`
	Limit   int64      `json:"limit"`
	Quality int        `json:"quality"` // of a JPEG that was encoded; 0: it was not
	Colours int        `json:"colours"` // of an animation that was encoded; 0: it was not
	Frames  int        `json:"frames"`  // of it
	Still   bool       `json:"still"`   // of an animation
	File    string     `json:"file"`
}

// shownMedia is a media in JSON; 0 × 0: it is no picture.
type shownMedia struct {
	Type   string `json:"type"`
	Bytes  int    `json:"bytes"`
	Width  int    `json:"width"`
	Height int    `json:"height"`
}

// read returns a source and the content type that it came with.
func (f fit) read(ctx context.Context, source string) (data []byte, claimed string, err error) {
	if strings.HasPrefix(source, "http://") || strings.HasPrefix(source, "https://") {
		fetcher := media.NewFetcher(media.Options{MaxBytes: fitSourceMax, AllowPrivate: f.limits.AllowPrivate, Timeout: fitTimeout})
		defer fetcher.Close()
		got, err := fetcher.Download(ctx, message.WireURL(source))
		if err != nil {
			return nil, "", fmt.Errorf("fetch: %w", err)
		}
		return got.Data, got.ContentType, nil
	}
	file, err := os.Open(source) //nolint:gosec // the user names the file
	if err != nil {
		return nil, "", fmt.Errorf("open: %w", err)
	}
	defer file.Close()
	data, err = io.ReadAll(io.LimitReader(file, fitSourceMax+1))
	switch {
	case err != nil:
		return nil, "", fmt.Errorf("read: %w", err)
	case len(data) > fitSourceMax:
		return nil, "", errors.New("the file is larger than 20 MiB")
	default:
		return data, mime.TypeByExtension(filepath.Ext(source)), nil
	}
}

// describeMedia shows type, size and bytes of a media.
func describeMedia(m mediafit.File, bytes int) string {
	if m.Width == 0 {
		return fmt.Sprintf("%s, %d bytes", m.Type, bytes)
	}
	return fmt.Sprintf("%s, %d × %d, %d bytes", m.Type, m.Width, m.Height, bytes)
}

// treatment says what was done to a media.
func treatment(r mediafit.Result, before int) string {
	switch {
	case r.Still:
		return fmt.Sprintf(", quality %d, a still of the animation", r.Quality)
	case r.Quality > 0:
		return fmt.Sprintf(", quality %d", r.Quality)
	case r.Colours > 0:
		return fmt.Sprintf(", animated: %d frames, %d colours", r.Frames, r.Colours)
	case len(r.Data) != before:
		return ", without metadata"
	default:
		return ", unchanged"
	}
}

// fittedName names the result after its source.
func fittedName(source, contentType string) string {
	name := path.Base(filepath.ToSlash(strings.SplitN(source, "?", 2)[0]))
	name = strings.TrimSuffix(name, path.Ext(name)) + ".fit"
	if known, err := mime.ExtensionsByType(contentType); err == nil && len(known) > 0 && contentType != "image/jpeg" {
		return name + known[0]
	}
	if contentType == "image/jpeg" {
		return name + ".jpg"
	}
	return name
}
