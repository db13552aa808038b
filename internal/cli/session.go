package cli

import (
	"fmt"
	"os/user"

	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"

	"mmsdispatch/internal/config"
	"mmsdispatch/internal/operator"
	"mmsdispatch/internal/redisconn"
)

// session is the Redis connection, configuration and operator of a command.
type session struct {
	cfg      *config.Config
	rdb      redis.UniversalClient
	operator *operator.Operator
}

// withRedis runs a command with a connection to the configured Redis.
func withRedis(run func(cmd *cobra.Command, args []string, s session) error) func(*cobra.Command, []string) error {
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
		actor := operator.New(rdb, actorName(cmd), operator.FromCtl).Logged(!cfg.Store.DatabaseURL.IsZero())
		return run(cmd, args, session{cfg: cfg, rdb: rdb, operator: actor})
	}
}

// asFlag names the operator.
const asFlag = "as"

// addAs adds the flag to a command and those below it.
func addAs(cmd *cobra.Command) {
	cmd.PersistentFlags().String(asFlag, "", "name that the audit shows for a change (default: the operating system's user)")
}

// actorName is the operator's name in the audit.
func actorName(cmd *cobra.Command) string {
	if given := cmd.Flag(asFlag); given != nil && given.Value.String() != "" {
		return given.Value.String()
	}
	if current, err := user.Current(); err == nil {
		return current.Username
	}
	return "unknown"
}
