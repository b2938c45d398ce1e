package e2e_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"
	"time"
)

const (
	consoleFolder = "../../devices/web"
	// consoleWithin ends a browser that hangs.
	consoleWithin = 15 * time.Minute
)

// The console in a real browser against the program: a registration from a
// phone's camera to the green tick with coverage coming and going, and the
// operations centre's pages. devices/web/test/city.*.test.ts are what is tested;
// they start their cities themselves.
func TestConsole(t *testing.T) {
	long(t)
	need(t, "Node.js", "apt-get install nodejs npm", lookPath("node"))
	need(t, "Chromium", "apt-get install chromium", lookPath("chromium"))
	need(t, "mosquitto_pub", "apt-get install mosquitto-clients", lookPath("mosquitto_pub"))
	vitest := filepath.Join(consoleFolder, "node_modules", "vitest", "vitest.mjs")
	need(t, "the console's test runner", "make console-test", exists(vitest))
	need(t, "the built console", "make console, then the tests again", exists(filepath.Join(consoleFolder, "dist", "index.html")))
	t.Parallel()

	ctx, cancel := context.WithTimeout(t.Context(), consoleWithin)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", "node_modules/vitest/vitest.mjs", "run", "--config", "vitest.browser.config.ts", "--reporter", "verbose", "city")
	cmd.Dir = consoleFolder
	cmd.Env = append(os.Environ(), "HAIDANG="+program("haidang"), "NO_COLOR=1")
	cmd.SysProcAttr = childAttributes()
	// In order, so that it ends its browser and its cities.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopWithin
	out, err := cmd.CombinedOutput()
	for _, line := range regexp.MustCompile(`(?m)^MEASURED .*$`).FindAllString(string(out), -1) {
		t.Log(line)
	}
	if err != nil {
		t.Fatalf("the console's tests: %v (%v)\n%s", err, ctx.Err(), out[max(0, len(out)-4*logTail):])
	}
}

// need skips the test where something is not installed; CI=true allows no skip.
func need(t *testing.T, what, remedy string, there bool) {
	t.Helper()
	switch {
	case there:
	case os.Getenv("CI") == "true":
		t.Fatalf("%s is missing, and CI=true allows no skip: %s", what, remedy)
	default:
		t.Skipf("%s is missing: %s", what, remedy)
	}
}

func lookPath(name string) bool {
	_, err := exec.LookPath(name)
	return err == nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
