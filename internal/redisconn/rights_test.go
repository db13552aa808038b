package redisconn_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"mmsdispatch/internal/redisconn"
	"mmsdispatch/internal/redistest"
)

func rightsOf(t *testing.T, client redis.UniversalClient) redisconn.Rights {
	t.Helper()
	rights, err := redisconn.CheckRights(t.Context(), client)
	if err != nil {
		t.Fatal(err)
	}
	return rights
}

// user makes a user of the rules and returns a client of that user.
func user(t *testing.T, srv *redistest.Server, name string, rules ...string) redis.UniversalClient {
	t.Helper()
	setUser(t, srv.Client(t), name, append([]string{"reset", "on", ">secret"}, rules...)...)
	return connect(t, strings.Replace(srv.URL(), "redis://", "redis://"+name+":secret@", 1))
}

func setUser(t *testing.T, operator *redis.Client, name string, rules ...string) {
	t.Helper()
	args := []any{"acl", "setuser", name}
	for _, rule := range rules {
		args = append(args, rule)
	}
	if err := operator.Do(context.Background(), args...).Err(); err != nil {
		t.Fatal(err)
	}
}

// Each right that is missing is named, with the line that gives it; nothing is
// missing with exactly the rights that are listed.
func TestMissingRightIsNamed(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t)
	operator, client := srv.Client(t), user(t, srv, "app", redisconn.RequiredRights()...)
	rights := rightsOf(t, client)
	if err := rights.Err(); err != nil {
		t.Fatalf("with all rights: %v", err)
	}
	for _, rule := range redisconn.RequiredRights() {
		var without []string
		switch rule[0] {
		case '~', '&':
			reset := map[byte]string{'~': "resetkeys", '&': "resetchannels"}[rule[0]]
			others := slices.DeleteFunc(redisconn.RequiredRights(), func(other string) bool { return other == rule || other[0] != rule[0] })
			without = append([]string{reset}, others...)
		default:
			without = []string{"-" + rule[1:]}
		}
		setUser(t, operator, "app", without...)
		rights := rightsOf(t, client)
		if !slices.Equal(rights.Missing, []string{rule}) {
			t.Errorf("without %s, missing are %v", rule, rights.Missing)
		}
		if err := rights.Err(); !errors.Is(err, redisconn.ErrRights) || !strings.Contains(err.Error(), "ACL SETUSER app "+rule) {
			t.Errorf("without %s: %v", rule, err)
		}
		setUser(t, operator, "app", rule)
	}
	if keys := operator.Keys(t.Context(), "*").Val(); len(keys) > 0 {
		t.Errorf("the check left %v", keys)
	}
}

// Redis 7 gives a new user no channels.
func TestUserWithoutChannelsIsNamed(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t)
	rights := rightsOf(t, user(t, srv, "app", "+@all", "~*", "resetchannels"))
	err := rights.Err()
	if err == nil || !strings.Contains(err.Error(), "ACL SETUSER app &asynq:* &mms:*") {
		t.Errorf("%v", err)
	}
}

// A needed command that was renamed is named; one that is not needed is a warning
// that says what is missing without it.
func TestRenamedCommandIsNamed(t *testing.T) {
	t.Parallel()
	args := []string{"--rename-command", "PUBLISH", ""}
	for _, command := range []string{"MEMORY", "CONFIG", "CLIENT", "INFO"} {
		args = append(args, "--rename-command", command, "")
	}
	srv := redistest.Start(t, redistest.WithArgs(args...))
	client := connect(t, srv.URL(), func(o *redisconn.Options) { o.ClientName = "test" })
	rights := rightsOf(t, client)
	if err := rights.Err(); err == nil || !strings.Contains(err.Error(), "does not know PUBLISH") {
		t.Errorf("%v", err)
	}
	if len(rights.Warnings) != 4 {
		t.Errorf("warnings %q", rights.Warnings)
	}
	if err := client.Ping(t.Context()).Err(); err != nil {
		t.Errorf("without CLIENT: %v", err)
	}
	if _, err := redisconn.Inspect(t.Context(), client); err != nil {
		t.Errorf("without INFO: %v", err)
	}
}

// The page for operators lists exactly the rights that are checked.
func TestDeploymentListsTheRights(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/deployment.md")
	if err != nil {
		t.Fatal(err)
	}
	_, line, _ := strings.Cut(string(page), "ACL SETUSER mmsdispatch on >PASSWORD resetkeys resetchannels -@all")
	line, _, _ = strings.Cut(line, "```")
	listed := strings.Fields(strings.ReplaceAll(line, "\\", " "))
	want := redisconn.RequiredRights()
	slices.Sort(listed)
	slices.Sort(want)
	if !slices.Equal(listed, want) {
		t.Errorf("docs/deployment.md lists\n%v, want\n%v", listed, want)
	}
}

// The rights that are listed are enough for every command of every script.
func TestScriptsNeedNoOtherRights(t *testing.T) {
	t.Parallel()
	called := regexp.MustCompile(`redis\.p?call\('([A-Z]+)'`)
	allowed, scripts := redisconn.RequiredRights(), 0
	err := filepath.WalkDir("..", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".lua" {
			return err
		}
		scripts++
		source, err := os.ReadFile(path)
		for _, call := range called.FindAllSubmatch(source, -1) {
			if right := "+" + strings.ToLower(string(call[1])); !slices.Contains(allowed, right) {
				t.Errorf("%s needs %s", path, right)
			}
		}
		return err
	})
	if err != nil || scripts == 0 {
		t.Fatalf("%d scripts, %v", scripts, err)
	}
}
