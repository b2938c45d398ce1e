package realserver

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
)

// Alertmanager starts Debian's Alertmanager, alone. It passes every alert on to
// nobody; what it has is at URL/api/v2/alerts.
func Alertmanager(t testing.TB) *Server {
	t.Helper()
	binary := find("prometheus-alertmanager")
	if binary == "" {
		missing(t, "prometheus-alertmanager", "apt-get install prometheus-alertmanager")
	}
	return launch(t, program{
		name:   "prometheus-alertmanager",
		scheme: "http",
		ports:  1,
		arguments: func(dir string, ports []int) ([]string, error) {
			path := filepath.Join(dir, "alertmanager.yml")
			return []string{"--config.file=" + path, "--storage.path=" + filepath.Join(dir, "data"), "--cluster.listen-address=",
					fmt.Sprintf("--web.listen-address=127.0.0.1:%d", ports[0])},
				os.WriteFile(path, []byte("route: {receiver: nobody}\nreceivers: [{name: nobody}]\n"), 0o600)
		},
		ready: func(ctx context.Context, address string) error {
			return httpReady(ctx, "http://"+address+"/-/ready", http.StatusOK)
		},
	}, binary)
}
