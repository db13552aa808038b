package cli

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"mmsdispatch/internal/apikey"
)

// newKeys manages the keys that are stored in Redis.
func newKeys() *cobra.Command {
	cmd := &cobra.Command{Use: "keys", Short: "Create, list, change, rotate and revoke API keys stored in Redis (REDIS_URL)"}
	cmd.AddCommand(newKeysCreate(), newKeysList(), newKeysUpdate(), newKeysRotate(), newKeysRevoke())
	return cmd
}

// keyFlags are the flags for the settings of a key.
type keyFlags struct {
	name, scopes, expires string
	rate                  float64
	daily                 int64
}

func (f *keyFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.name, "name", "", "a name for your own use")
	cmd.Flags().StringVar(&f.scopes, "scopes", "send,read", "send allows POST, PUT and DELETE, read allows GET and HEAD")
	completeValues(cmd, "scopes", "send,read", "send", "read")
	cmd.Flags().Float64Var(&f.rate, "rate", 0, "requests a second; 0 for API_RATE_LIMIT")
	cmd.Flags().Int64Var(&f.daily, "daily", 0, "messages a UTC day; 0 for no limit")
	cmd.Flags().StringVar(&f.expires, "expires", "never", "time until the key expires, such as 90d or 12h")
}

// apply changes the settings whose flags were given, or all settings of a new
// key.
func (f *keyFlags) apply(cmd *cobra.Command, s *apikey.Settings, all bool) error {
	given := func(flag string) bool { return all || cmd.Flags().Changed(flag) }
	if given("name") {
		s.Name = f.name
	}
	if given("scopes") {
		scopes, err := apikey.ParseScopes(f.scopes)
		if err != nil {
			return fmt.Errorf("--scopes: %w", err)
		}
		s.Scopes = scopes
	}
	if given("rate") {
		s.Rate = f.rate
	}
	if given("daily") {
		s.Daily = f.daily
	}
	if given("expires") {
		s.ExpiresAt = time.Time{}
		if f.expires != "never" {
			after, err := parseDays(f.expires)
			if err != nil || after <= 0 {
				return fmt.Errorf("--expires %q: must be a time such as 90d or 12h, or never", f.expires)
			}
			s.ExpiresAt = time.Now().Add(after).UTC().Truncate(time.Millisecond)
		}
	}
	return nil
}

// parseDays parses a duration, which may be in whole days.
func parseDays(text string) (time.Duration, error) {
	const day = 24 * time.Hour
	days, isDays := strings.CutSuffix(text, "d")
	if !isDays {
		return time.ParseDuration(text) //nolint:wrapcheck // the caller names the flag
	}
	n, err := strconv.ParseUint(days, 10, 16)
	return time.Duration(n) * day, err //nolint:wrapcheck // the caller names the flag
}

func newKeysCreate() *cobra.Command {
	var (
		flags keyFlags
		test  bool
	)
	cmd := &cobra.Command{
		Use:   "create TENANT",
		Short: "Create a key and print it once",
		Args:  cobra.ExactArgs(1),
		RunE: withRedis(func(cmd *cobra.Command, args []string, s session) error {
			settings := apikey.Settings{Tenant: args[0], Test: test}
			if err := flags.apply(cmd, &settings, true); err != nil {
				return err
			}
			key, info, err := s.operator.CreateKey(cmd.Context(), settings)
			if err != nil {
				return fmt.Errorf("create key: %w", err)
			}
			return printKey(cmd, key, info)
		}),
	}
	flags.add(cmd)
	cmd.Flags().BoolVar(&test, "test", false, "a key whose messages never reach Sinch")
	return cmd
}

// printKey prints a key, and nothing else, on stdout.
func printKey(cmd *cobra.Command, key string, info apikey.Info) error {
	created := struct {
		shownKey

		Key string `json:"key"`
	}{showKey(info), key}
	if err := result(cmd, created, line("%s", key)); err != nil {
		return err
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "key %s of %s; it is not shown again\n", info.ID, info.Tenant)
	return nil
}

func newKeysList() *cobra.Command {
	var tenant string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the stored keys, without their secrets",
		Args:  cobra.NoArgs,
		RunE: withRedis(func(cmd *cobra.Command, _ []string, s session) error {
			keys, err := apikey.NewStore(s.rdb).List(cmd.Context())
			if err != nil {
				return fmt.Errorf("list keys: %w", err)
			}
			shown := make([]shownKey, 0, len(keys))
			for _, key := range keys {
				if tenant == "" || key.Tenant == tenant {
					shown = append(shown, showKey(key))
				}
			}
			return result(cmd, shown, func(out io.Writer) error { return writeKeyTable(out, shown) })
		}),
	}
	cmd.Flags().StringVar(&tenant, "tenant", "", "only the keys of this tenant")
	return cmd
}

func newKeysUpdate() *cobra.Command {
	var flags keyFlags
	cmd := &cobra.Command{
		Use:   "update ID",
		Short: "Change the settings that the flags name; in force within seconds",
		Args:  cobra.ExactArgs(1),
		RunE: withRedis(func(cmd *cobra.Command, args []string, s session) error {
			if err := flags.apply(cmd, &apikey.Settings{}, false); err != nil {
				return err
			}
			info, err := s.operator.UpdateKey(cmd.Context(), args[0], func(settings *apikey.Settings) {
				_ = flags.apply(cmd, settings, false) // checked above
			})
			if err != nil {
				return fmt.Errorf("update key: %w", err)
			}
			return result(cmd, showKey(info), nothing)
		}),
	}
	flags.add(cmd)
	return cmd
}

func newKeysRotate() *cobra.Command {
	var overlap string
	cmd := &cobra.Command{
		Use:   "rotate ID",
		Short: "Create a key with the same settings and print it; the old one ends after the overlap",
		Args:  cobra.ExactArgs(1),
		RunE: withRedis(func(cmd *cobra.Command, args []string, s session) error {
			both, err := parseDays(overlap)
			if err != nil || both < 0 {
				return fmt.Errorf("--overlap %q: must be a time such as 24h or 7d", overlap)
			}
			key, info, err := s.operator.RotateKey(cmd.Context(), args[0], both)
			if err != nil {
				return fmt.Errorf("rotate key: %w", err)
			}
			return printKey(cmd, key, info)
		}),
	}
	cmd.Flags().StringVar(&overlap, "overlap", "24h", "how long the old key stays valid")
	return cmd
}

func newKeysRevoke() *cobra.Command {
	return &cobra.Command{
		Use:   "revoke ID",
		Short: "End a key; running processes refuse it within seconds",
		Args:  cobra.ExactArgs(1),
		RunE: withRedis(func(cmd *cobra.Command, args []string, s session) error {
			if err := s.operator.RevokeKey(cmd.Context(), args[0]); err != nil {
				return fmt.Errorf("revoke key: %w", err)
			}
			return result(cmd, map[string]any{"id": args[0], "revoked": true}, nothing)
		}),
	}
}

// shownKey is a key in the JSON list; null: never.
type shownKey struct {
	ID         string     `json:"id"`
	Tenant     string     `json:"tenant"`
	Name       string     `json:"name"`
	Kind       string     `json:"kind"`
	Scopes     []string   `json:"scopes"`
	Rate       float64    `json:"rate"`
	Daily      int64      `json:"daily"`
	CreatedAt  time.Time  `json:"createdAt"`
	ExpiresAt  *time.Time `json:"expiresAt"`
	LastUsedAt *time.Time `json:"lastUsedAt"`
	RevokedAt  *time.Time `json:"revokedAt"`
}

func showKey(info apikey.Info) shownKey {
	kind := "live"
	if info.Test {
		kind = "test"
	}
	return shownKey{
		ID: info.ID, Tenant: info.Tenant, Name: info.Name, Kind: kind, Scopes: info.Scopes.Names(), Rate: info.Rate, Daily: info.Daily,
		CreatedAt: info.CreatedAt, ExpiresAt: known(info.ExpiresAt), LastUsedAt: known(info.LastUsedAt), RevokedAt: known(info.RevokedAt),
	}
}

// known returns nil for a zero time.
func known(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func writeKeyTable(out io.Writer, keys []shownKey) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tTENANT\tKIND\tNAME\tSCOPES\tRATE\tDAILY\tCREATED\tEXPIRES\tLAST USED\tREVOKED")
	for _, key := range keys {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%g\t%d\t%s\t%s\t%s\t%s\n",
			key.ID, key.Tenant, key.Kind, dash(key.Name), strings.Join(key.Scopes, ","), key.Rate, key.Daily,
			key.CreatedAt.Format(time.RFC3339), stamp(key.ExpiresAt), stamp(key.LastUsedAt), stamp(key.RevokedAt))
	}
	return table.Flush() //nolint:wrapcheck // the caller names the command
}

func stamp(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return t.Format(time.RFC3339)
}

func dash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
