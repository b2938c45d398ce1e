package api

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/haidang-iot/haidang/devices"
)

const photoDescription = `The body is the picture's bytes: JPEG, PNG or WebP, at most 2 MiB. It is kept as a JPEG of at most 1600 pixels on its longer side, upright, without EXIF.
The same bytes sent again are the same photo, so that a phone may repeat what it is not sure of.`

// picture reads what was sent, when it is its turn: each may take 320 MB.
func (a *API) picture(ctx context.Context, b []byte) (devices.Picture, error) {
	end, err := a.pictures.begin(ctx)
	if err != nil {
		return devices.Picture{}, err
	}
	defer end()
	return devices.ReadPicture(ctx, b)
}

type photoUpload struct {
	InstallationPath
	Why     string `query:"why" maxLength:"4000" doc:"In the journal"`
	RawBody []byte `contentType:"application/octet-stream"`
}

type photoMade struct {
	Location string `header:"Location"`
	Body     Photo
}

func (a *API) addPhoto(ctx context.Context, in *photoUpload) (*photoMade, error) {
	if err := a.mayInstallation(ctx, in.ID); err != nil { // before the dear part
		return nil, a.fail(ctx, err)
	}
	pic, err := a.picture(ctx, in.RawBody)
	if err != nil {
		return nil, a.fail(ctx, err)
	}
	p, err := a.Registry.AddPhoto(ctx, a.by(ctx, in.Why), in.ID, pic)
	if err != nil {
		return nil, a.fail(ctx, err)
	}
	found, err := a.Registry.Photos(ctx, devices.PhotoFilter{Installation: in.ID})
	if err != nil {
		return nil, a.fail(ctx, err)
	}
	n := slices.IndexFunc(found, func(f devices.PhotoOf) bool { return f.ID == p.ID })
	if n < 0 { // deleted since
		return nil, a.fail(ctx, devices.Missing(devices.EntityPhoto, fmt.Sprint(p.ID)))
	}
	v := photoOf(found[n])
	return &photoMade{v.URL, v}, nil
}

func photoOf(p devices.PhotoOf) Photo {
	return Photo{ID: p.ID, Installation: p.Installation, Device: p.Device, Site: p.Site, Type: p.Type, Bytes: p.Size, Width: p.Width, Height: p.Height,
		At: p.At, Who: p.Who, URL: fmt.Sprintf("/api/v1/installations/%d/photos/%d", p.Installation, p.ID)}
}

func (a *API) photoList(ctx context.Context, f devices.PhotoFilter) (Photos, error) {
	found, err := a.Registry.Photos(ctx, f)
	if err != nil {
		return Photos{}, a.fail(ctx, err)
	}
	body := Photos{Photos: make([]Photo, 0, len(found))}
	for _, p := range found {
		body.Photos = append(body.Photos, photoOf(p))
	}
	return body, nil
}

func (a *API) photos(ctx context.Context, in *InstallationPath) (*out[Photos], error) {
	if err := a.mayInstallation(ctx, in.ID); err != nil {
		return nil, a.fail(ctx, err)
	}
	body, err := a.photoList(ctx, devices.PhotoFilter{Installation: in.ID})
	if err != nil {
		return nil, err
	}
	slices.Reverse(body.Photos)
	return &out[Photos]{body}, nil
}

func (a *API) sitePhotos(ctx context.Context, in *SitePath) (*out[Photos], error) {
	s, err := a.Registry.Site(ctx, in.ID)
	if err == nil {
		err = a.may(ctx, devices.EntitySite, string(s.ID), devices.PlaceOf(s.Locality))
	}
	if err != nil {
		return nil, a.fail(ctx, err)
	}
	body, err := a.photoList(ctx, devices.PhotoFilter{Site: in.ID, Limit: 100})
	if err != nil {
		return nil, err
	}
	return &out[Photos]{body}, nil
}

// PhotoPath names a photo of an installation.
type PhotoPath struct {
	InstallationPath
	Photo int64 `path:"photo" minimum:"1"`
}

// photoFile is an answer of bytes with an ETag, or that nothing has changed.
type photoFile struct {
	Status      int
	ETag        string `header:"ETag"`
	ContentType string `header:"Content-Type"`
	Disposition string `header:"Content-Disposition"`
	Sniff       string `header:"X-Content-Type-Options"`
	Policy      string `header:"Content-Security-Policy"`
	Cache       string `header:"Cache-Control"`
	Body        []byte
}

func (a *API) photo(ctx context.Context, in *struct {
	PhotoPath
	IfNoneMatch string `header:"If-None-Match"`
}) (*photoFile, error) {
	if err := a.mayInstallation(ctx, in.ID); err != nil {
		return nil, a.fail(ctx, err)
	}
	p, err := a.Registry.Photo(ctx, in.ID, in.Photo)
	if err != nil {
		return nil, a.fail(ctx, err)
	}
	if p.Digest == "" { // no picture that could be written anew, without what else is in it
		return nil, a.fail(ctx, devices.Missing(devices.EntityPhoto, fmt.Sprint(p.ID)))
	}
	const forever = "private, max-age=31536000, immutable"
	for tag := range strings.SplitSeq(in.IfNoneMatch, ",") {
		if tag = strings.TrimPrefix(strings.TrimSpace(tag), "W/"); tag == p.ETag() || tag == "*" {
			return &photoFile{Status: http.StatusNotModified, ETag: p.ETag(), Cache: forever}, nil
		}
	}
	data, err := a.Registry.PictureOf(ctx, p.ID)
	if err != nil {
		return nil, a.fail(ctx, err)
	}
	mime, name := "application/octet-stream", "photo"
	switch p.Type { // whatever the store says, nothing else is served as what a browser runs
	case "image/jpeg", "image/png", "image/webp":
		mime, name = p.Type, "photo."+p.Type[len("image/"):]
	}
	f := fileOf(mime, `inline; filename="`+name+`"`, forever, data)
	return &photoFile{Status: http.StatusOK, ETag: p.ETag(), ContentType: f.ContentType, Disposition: f.Disposition, Sniff: f.Sniff,
		Policy: f.Policy, Cache: f.Cache, Body: f.Body}, nil
}

func (a *API) deletePhoto(ctx context.Context, in *struct {
	PhotoPath
	Why string `query:"why" maxLength:"4000" doc:"In the journal"`
}) (*struct{}, error) {
	if err := a.Registry.DeletePhoto(ctx, a.by(ctx, in.Why), in.ID, in.Photo); err != nil {
		return nil, a.fail(ctx, err)
	}
	return nil, nil
}
