package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/haidang-iot/haidang/cmd/config"
	"github.com/haidang-iot/haidang/cmd/terminal"
	"github.com/haidang-iot/haidang/devices/access"
)

// devicesMosquitto writes the files by which a Mosquitto knows the devices.
type devicesMosquitto struct {
	terminal.CityFlags
	Out             string `required:"" help:"Folder of the files, password_file, acl_file and durability.conf; those there are replaced." placeholder:"DIR"`
	GatewayUser     string `env:"HAIDANG_BROKER_USER" help:"Add a user by which gateways read what the configuration subscribes to, and send themselves a canary." placeholder:"NAME"`
	GatewayPassword string `env:"HAIDANG_BROKER_PASSWORD" help:"With --gateway-user: its password; better given in the environment." placeholder:"SECRET"`
	Config          string `type:"existingfile" help:"With --gateway-user: the YAML file that lists the gateways' subscriptions; the same as the gateways have." placeholder:"FILE"`
}

// Help is kong's detailed help.
func (devicesMosquitto) Help() string {
	return `Each device publishes on its own topics and hears its own commands; who is not named may do nothing. Write the
files again when devices have changed, and have Mosquitto read them with a SIGHUP. It knows one password for a
device, its newest. In mosquitto.conf:

  allow_anonymous false
  password_file DIR/password_file
  acl_file DIR/acl_file
  persistence_location /var/lib/mosquitto/
  include_dir DIR

The last reads durability.conf. As it comes, Mosquitto drops all but 1,000 of the messages that it has acknowledged
while a gateway is away, and forgets all of them when it is started again; with this file neither. What no setting
keeps is what it acknowledged between two savings if it is killed or loses power: docs/brokers.md has what was measured.
Do not set use_username_as_clientid where several gateways share a user: each would end the others' connections.

The files can be read by their owner and group: make the folder so that they are of Mosquitto's group, with
install -d -g mosquitto -m 2750 DIR.

Examples:
  haidang devices mosquitto --out /etc/mosquitto/haidang && pkill -HUP -x mosquitto
  HAIDANG_BROKER_PASSWORD=… haidang devices mosquitto --out /etc/mosquitto/haidang --gateway-user haidang`
}

// Run writes the files. Both have been read before one of them is replaced.
func (c *devicesMosquitto) Run(ctx context.Context, out *terminal.Output) error {
	if info, err := os.Stat(c.Out); err != nil || !info.IsDir() {
		return fmt.Errorf("--out is %q, which is no folder: make it first, or give another", c.Out)
	}
	var passwords, acl bytes.Buffer
	if err := c.read(ctx, &passwords, &acl); err != nil {
		return err
	}
	if err := c.addGateway(&passwords, &acl); err != nil {
		return err
	}
	for _, f := range []struct {
		name string
		text *bytes.Buffer
	}{{"password_file", &passwords}, {"acl_file", &acl}, {"durability.conf", bytes.NewBufferString(mosquittoDurability)}} {
		to := fileFlags{Output: filepath.Join(c.Out, f.name), Force: true}
		err := to.write(out, c.JSON, 0o640, func(w io.Writer, _ *counter) error {
			_, err := f.text.WriteTo(w)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *devicesMosquitto) read(ctx context.Context, passwords, acl io.Writer) error {
	for path, to := range map[string]io.Writer{"password_file": passwords, "acl_file": acl} {
		q := terminal.GetFrom("/access/mosquitto/"+path, nil)
		q.Within = terminal.FileTime
		if err := c.Fetch(ctx, q, to); err != nil {
			return err
		}
	}
	return nil
}

// addGateway adds the user of the gateways, if one is asked for.
func (c *devicesMosquitto) addGateway(passwords, acl io.Writer) error {
	switch {
	case c.GatewayUser == "":
		return nil
	case c.GatewayPassword == "":
		return errors.New("--gateway-user is given without its password: set HAIDANG_BROKER_PASSWORD, as the gateways have it")
	}
	cfg, err := config.Load(c.Config)
	if err != nil {
		return err
	}
	s := access.Service{Username: c.GatewayUser, Password: access.Secret(c.GatewayPassword), Read: config.BrokerTopics()}
	for _, g := range cfg.Gateways {
		for _, one := range g.Subscriptions {
			s.Read = append(s.Read, one.Filter)
		}
		s.Published = append(s.Published, g.CanaryTopics()...)
	}
	return access.MosquittoService(passwords, acl, s)
}

// mosquittoDurability are the settings with which a Mosquitto drops nothing that it has
// acknowledged, and keeps it over a restart.
const mosquittoDurability = `# Written by haidang: with these settings Mosquitto keeps what a gateway has not taken yet.
# It needs persistence_location beside them.

# Sessions and what waits in them survive a restart. They are saved when it is stopped, and
# every autosave_interval seconds: what it acknowledged since, and no gateway had taken, is
# lost if it is killed or loses power. Each saving writes all that waits, and nothing else
# is done meanwhile; so a shorter interval costs more the more waits.
persistence true
autosave_interval 10
autosave_on_changes false

# Nothing is dropped while a gateway is away; the defaults keep 1,000 messages. Everything
# that waits is in memory. Not 0, which means the same: Mosquitto 2.0.11 then ends the
# connection of who publishes what it may not.
max_queued_messages 1000000000
max_queued_bytes 0

# How many a gateway may be given before it has acknowledged the first; the default is 20.
max_inflight_messages 1000
`
