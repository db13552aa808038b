package admin

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"sync"

	"golang.org/x/crypto/bcrypt"
)

// Role is what a user of the listener may do.
type Role int

// The roles; each may do what the ones before it may.
const (
	Viewer   Role = iota // sees
	Operator             // also pauses, resumes, changes the pace, replays, cancels and edits opt-outs
	Admin                // also manages keys and erases
)

// ParseRole reads viewer, operator or admin. Anything else only sees.
func ParseRole(name string) Role {
	switch name {
	case "admin":
		return Admin
	case "operator":
		return Operator
	default:
		return Viewer
	}
}

// User is a user of the listener with its own password.
type User struct {
	Name string
	Role Role
	Hash string // bcrypt of the password
}

// roleKey is where the role stands in the context of a request.
type roleKey struct{}

// RoleOf is the role of the user who makes a request.
func RoleOf(ctx context.Context) Role {
	role, _ := ctx.Value(roleKey{}).(Role)
	return role
}

func withRole(r *http.Request, role Role) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), roleKey{}, role))
}

// users checks credentials. It is safe for concurrent use.
type users struct {
	admin [2][sha256.Size]byte // of ADMIN_USER and ADMIN_PASSWORD
	named bool                 // there is an ADMIN_USER
	list  []User

	mu    sync.Mutex                   // one bcrypt at a time: each takes a core for a while
	known map[string][sha256.Size]byte // digests of passwords that were right, by name
}

func newUsers(opts Options) *users {
	return &users{
		admin: [2][sha256.Size]byte{sha256.Sum256([]byte(opts.User)), sha256.Sum256([]byte(opts.Password))},
		named: opts.User != "" && opts.Password != "", list: opts.Users, known: make(map[string][sha256.Size]byte),
	}
}

// any reports whether there are users at all.
func (u *users) any() bool { return u.named || len(u.list) > 0 }

// role is the role of a user; ok is false when name and password do not fit.
// Digests have one length, so that comparing them does not reveal the lengths.
func (u *users) role(name, password string) (role Role, ok bool) {
	nameSum, passwordSum := sha256.Sum256([]byte(name)), sha256.Sum256([]byte(password))
	right := subtle.ConstantTimeCompare(nameSum[:], u.admin[0][:]) & subtle.ConstantTimeCompare(passwordSum[:], u.admin[1][:])

	if u.named && right == 1 {
		return Admin, true
	}

	for _, user := range u.list {
		if user.Name == name {
			return user.Role, u.matches(user, password, passwordSum)
		}
	}

	if len(u.list) > 0 { // an unknown name takes as long as a known one
		u.matches(User{Hash: u.list[0].Hash}, password, passwordSum)
	}
	return Viewer, false
}

func (u *users) matches(user User, password string, sum [sha256.Size]byte) bool {
	u.mu.Lock()
	defer u.mu.Unlock()

	if known, ok := u.known[user.Name]; ok && subtle.ConstantTimeCompare(known[:], sum[:]) == 1 {
		return true
	}

	if bcrypt.CompareHashAndPassword([]byte(user.Hash), []byte(password)) != nil || user.Name == "" {
		return false
	}

	u.known[user.Name] = sum
	return true
}

// onlyChangedBy lets users of a role and above change what next serves; others only
// read.
func onlyChangedBy(least Role, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead && RoleOf(r.Context()) < least {
			http.Error(w, "your role does not allow changes", http.StatusForbidden)
			return
		}

		next.ServeHTTP(w, r)
	})
}
