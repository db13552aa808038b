package cli

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/spf13/cobra"
)

// healthTimeout is below the timeout of container engines.
const healthTimeout = 3 * time.Second

// newHealth checks whether a process is ready, for images without a shell.
func newHealth() *cobra.Command {
	var url string
	cmd := &cobra.Command{
		Use:   "health",
		Short: "Check whether a process is ready; exits 1 when it is not",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), healthTimeout)
			defer cancel()
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
			if err != nil {
				return fmt.Errorf("make request: %w", err)
			}
			res, err := (&http.Client{}).Do(req)
			if err != nil {
				return fmt.Errorf("not reachable: %w", err)
			}
			defer res.Body.Close()
			if _, err := io.Copy(cmd.OutOrStdout(), io.LimitReader(res.Body, maxAnswer)); err != nil {
				return fmt.Errorf("read answer: %w", err)
			}
			if res.StatusCode != http.StatusOK {
				return fmt.Errorf("%w: %s", errReported, res.Status)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&url, "url", "http://127.0.0.1:3000/readyz", "URL to check")
	return cmd
}
