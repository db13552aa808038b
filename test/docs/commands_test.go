package docs_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"mmsdispatch/internal/redistest"
	"mmsdispatch/test/harness"
)

func TestEveryBlockIsRunOrSaysWhyNot(t *testing.T) {
	t.Parallel()
	for _, page := range pages(t) {
		for _, b := range blocks(t, page) {
			if !slices.Contains(run, b.mark) && !slices.Contains(external, b.mark) {
				t.Errorf("%s:%d: the fence has the unknown mark %q", page, b.line, b.mark)
			}
		}
	}
}

func TestCommandsOfThePages(t *testing.T) {
	t.Parallel()
	for _, page := range pages(t) {
		all := blocks(t, page)
		if !session(all) {
			continue
		}
		t.Run(filepath.Base(page), func(t *testing.T) {
			t.Parallel()
			newReader(t).follow(page, all)
		})
	}
}

// reader runs the commands of a page in a shell.
type reader struct {
	t      *testing.T
	dir    string
	api    string // address of the development mode's api
	key    string
	places map[string]string // of the addresses that a page names for services of its own
	env    []string
}

// What the pages name.
const (
	webhookToken  = "sesame"
	publicAddr    = "127.0.0.1:3000"
	simulatorAddr = "127.0.0.1:8181"
)

// newReader starts the development mode, with the token that the pages use.
func newReader(t *testing.T) *reader {
	t.Helper()
	r := &reader{t: t, dir: t.TempDir(), api: freePorts.Take(t), places: map[string]string{}}
	dev := harness.Launch(t, "mmsctl dev", map[string]string{
		"PORT": port(r.api), "ADMIN_ADDR": freePorts.Take(t), "SINCH_WEBHOOK_TOKEN": webhookToken, "SINCH_TIMEOUT": "1s",
		"RETRY_BASE": "10ms",
	}, filepath.Join(bin, "mmsctl"), "dev")
	client := harness.NewClient(t, harness.Patience)
	dev.AwaitOK(t, client, "http://"+r.api+"/readyz")
	harness.Await(t, "key in the banner", harness.Patience, func() (bool, string) {
		r.key = keyShape.FindString(string(dev.Log()))
		return r.key != "", string(dev.LastLines())
	})
	service := r.place(publicAddr)
	r.env = []string{
		"PATH=" + bin + ":" + os.Getenv("PATH"), "HOME=" + r.dir,
		"REDIS_URL=" + redistest.Start(t).URL(), "PORT=" + port(service), "ADMIN_ADDR=127.0.0.1:0", "LOG_LEVEL=warn",
		"SERVICE=" + service, "SIMULATOR=" + r.place(simulatorAddr),
	}
	return r
}

var (
	keyShape   = regexp.MustCompile(`mms_live_[A-Za-z0-9]{24,}`)
	ownAddress = regexp.MustCompile(`127\.0\.0\.1:(\d{4,5})`)
)

func port(addr string) string { return addr[strings.LastIndexByte(addr, ':')+1:] }

// follow runs the blocks of a page, one after the other in one shell.
func (r *reader) follow(page string, all []block) {
	r.t.Helper()
	var script strings.Builder
	script.WriteString(preamble)
	own := slices.ContainsFunc(all, func(b block) bool { return b.mark == "background" })
	for _, b := range all {
		if !slices.Contains(run, b.mark) {
			continue
		}
		text := r.adapt(b.text, own)
		fmt.Fprintf(&script, "\necho '== line %d'\n", b.line)
		switch b.mark {
		case "background":
			fmt.Fprintf(&script, "background <<'BLOCK'\n%sBLOCK\n", text)
		case "fails":
			fmt.Fprintf(&script, "if (\n%s); then echo 'it did not fail'; exit 1; fi\n", text)
		default:
			script.WriteString(text)
		}
	}
	cmd := exec.CommandContext(r.t.Context(), "bash", "-euo", "pipefail", "-c", script.String())
	cmd.Dir, cmd.Env = r.dir, r.env
	if out, err := cmd.CombinedOutput(); err != nil {
		r.t.Errorf("%s: %v\n%s", page, err, out)
	}
}

// preamble makes curl fail on a refusal, and starts services that the page
// leaves running.
const preamble = `
shopt -s expand_aliases
curl() { command curl --fail-with-body --silent --show-error --max-time 60 "$@"; }
jobs_of_page=()
trap 'for pid in "${jobs_of_page[@]}"; do kill -- "-$pid" 2>/dev/null || true; done' EXIT
background() {
	local text; text=$(cat)
	set -m; bash -c "$text" >>services.log 2>&1 & jobs_of_page+=($!); set +m
	local tries
	for tries in $(seq 600); do
		if await_service "$text"; then return; fi
		command sleep 0.1
	done
	echo "no answer of: $text"; cat services.log; exit 1
}
# await_service waits for the api and the simulator, which pages talk to.
await_service() {
	case $1 in
	*simulator*) command curl -fs "http://$SIMULATOR/sim/stats" >/dev/null ;;
	*/api*) command curl -fs "http://$SERVICE/readyz" >/dev/null ;;
	esac
}
`

// adapt puts the addresses, programs and the key of this run in place of those
// of the page.
func (r *reader) adapt(text string, own bool) string {
	text = strings.ReplaceAll(text, "go run ./cmd/", bin+"/")
	text = strings.ReplaceAll(text, "mmsctl simulator", "mmsctl simulator --addr 127.0.0.1:8181")
	text = strings.ReplaceAll(text, "mms_live_…", r.key)
	return ownAddress.ReplaceAllStringFunc(text, func(addr string) string {
		if addr == publicAddr && !own {
			return r.api
		}
		return r.place(addr)
	})
}

// place is where a service runs here that the page puts at an address.
func (r *reader) place(addr string) string {
	if r.places[addr] == "" {
		r.places[addr] = freePorts.Take(r.t)
	}
	return r.places[addr]
}
