package cli

import (
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"mmsdispatch/internal/apikey"
	"mmsdispatch/internal/config"
	"mmsdispatch/internal/redisconn"
)

// newKeys manages the keys that are stored in Redis.
func newKeys() *cobra.Command {
	cmd := &cobra.Command{Use: "keys", Short: "Make, list and revoke API keys stored in Redis (REDIS_URL)"}
	cmd.AddCommand(newKeysCreate(), newKeysList(), newKeysRevoke())
	return cmd
}

// withStore runs a command on the key store of the configured Redis.
func withStore(run func(cmd *cobra.Command, args []string, store *apikey.Store) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		cfg, err := config.FromOS(config.Ctl)
		if err != nil {
			return fmt.Errorf("configuration: %w", err)
		}
		opts, err := redisconn.Parse(cfg.Store.RedisURL.Reveal())
		if err != nil {
			return fmt.Errorf("REDIS_URL: %w", err)
		}
		rdb := redisconn.New(opts)
		defer rdb.Close()
		return run(cmd, args, apikey.NewStore(rdb))
	}
}

func newKeysCreate() *cobra.Command {
	var test bool
	cmd := &cobra.Command{
		Use:   "create TENANT",
		Short: "Make a key and print it, this once",
		Args:  cobra.ExactArgs(1),
		RunE: withStore(func(cmd *cobra.Command, args []string, store *apikey.Store) error {
			key, info, err := store.Create(cmd.Context(), args[0], test)
			if err != nil {
				return fmt.Errorf("create key: %w", err)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s\n", key)
			fmt.Fprintf(cmd.ErrOrStderr(), "key %s of %s; it is not shown again\n", info.ID, info.Tenant)
			return nil
		}),
	}
	cmd.Flags().BoolVar(&test, "test", false, "a key whose messages never reach Sinch")
	return cmd
}

func newKeysList() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the stored keys, without their secrets",
		Args:  cobra.NoArgs,
		RunE: withStore(func(cmd *cobra.Command, _ []string, store *apikey.Store) error {
			keys, err := store.List(cmd.Context())
			if err != nil {
				return fmt.Errorf("list keys: %w", err)
			}
			out := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(out, "ID\tTENANT\tKIND\tCREATED")
			for _, key := range keys {
				kind := "live"
				if key.Test {
					kind = "test"
				}
				fmt.Fprintf(out, "%s\t%s\t%s\t%s\n", key.ID, key.Tenant, kind, key.CreatedAt.Format(time.RFC3339))
			}
			if err := out.Flush(); err != nil {
				return fmt.Errorf("list keys: %w", err)
			}
			return nil
		}),
	}
}

func newKeysRevoke() *cobra.Command {
	return &cobra.Command{
		Use:   "revoke ID",
		Short: "Delete a stored key; running processes refuse it within seconds",
		Args:  cobra.ExactArgs(1),
		RunE: withStore(func(cmd *cobra.Command, args []string, store *apikey.Store) error {
			if err := store.Revoke(cmd.Context(), args[0]); err != nil {
				return fmt.Errorf("revoke key: %w", err)
			}
			return nil
		}),
	}
}
