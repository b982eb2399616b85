use proptest::prelude::*;

use super::*;
use crate::app::compare::geometry::{MAX_ZOOM, MIN_ZOOM, PanZoom, Placed, Zoom};

#[derive(Debug, Clone)]
struct Desk {
    area: Rect,
    around: Around,
    sides: usize,
}

prop_compose! {
    fn desk()(w in 200.0..4000.0_f32, h in 150.0..2200.0_f32, pw in 32..2600_u16, ph in 32..2600_u16,
        pixels_per_point in 0.75..3.0_f32, layout in 0..Layout::ALL.len()) -> Desk
    {
        let layout = Layout::ALL[layout];
        let around = Around {
            layout,
            picture: vec2(pw.into(), ph.into()),
            label: 30.0,
            gap: 8.0,
            pixels_per_point,
        };
        let sides = if layout == Layout::FourUp { 4 } else { 2 };
        Desk { area: Rect::from_min_size(pos2(7.0, 50.0), vec2(w, h)), around, sides }
    }
}

fn view() -> impl Strategy<Value = PanZoom> {
    let zoom = prop_oneof![Just(Zoom::Fit), (MIN_ZOOM..MAX_ZOOM).prop_map(Zoom::Times)];
    (zoom, -0.5..1.5_f32, -0.5..1.5_f32).prop_map(|(zoom, x, y)| PanZoom { zoom, centre: (x, y) })
}

fn place() -> impl Strategy<Value = Place> {
    (-0.1..1.1_f32, -0.1..1.1_f32).prop_map(|(x, y)| Place { x, y })
}

/// Whether two rectangles have more than a rounding in common.
fn meet(a: Rect, b: Rect) -> bool {
    let both = a.intersect(b);
    both.width() > 0.1 && both.height() > 0.1
}

proptest! {
    #[test]
    fn nothing_lies_over_anything(d in desk()) {
        let Some(strip) = d.around.strip(d.area, d.sides) else { return Ok(()) };
        let tiles: Vec<Rect> = strip.details.iter().flatten().copied().collect();
        let pixel = 1.0 / d.around.pixels_per_point;
        prop_assert_eq!(tiles.len(), strip.details.len() * d.sides);
        for (i, tile) in tiles.iter().enumerate() {
            prop_assert!(d.area.expand(pixel).contains_rect(*tile), "{:?} in {:?}", tile, d.area);
            prop_assert!(!meet(*tile, strip.desk.shrink(pixel)), "{:?} over {:?}", tile, strip.desk);
            prop_assert!(tiles[..i].iter().all(|other| !meet(*tile, *other)), "{:?}", tiles);
            prop_assert!((tile.size() - tiles[0].size()).length() < 0.01, "tiles of one size: {:?}", tiles);
        }
    }

    #[test]
    fn the_pictures_keep_most_of_their_size(d in desk()) {
        let Some(strip) = d.around.strip(d.area, d.sides) else { return Ok(()) };
        let most = LOSSES[LOSSES.len() - 1];
        let (before, after) = (d.around.fit(d.area), d.around.fit(strip.desk));
        prop_assert!(after >= before * (1.0 - most) * 0.98, "{} of {}", after, before);
    }

    /// What lies at the same point of two tiles is the same point of the scene, in pictures of any size, and it is the
    /// point that the mark in each of the large pictures surrounds, whatever is zoomed and panned.
    #[test]
    fn a_detail_shows_the_same_scene_point_on_all_sides(
        d in desk(), view in view(), place in place(), at in (0.0..1.0_f32, 0.0..1.0_f32), low in 1..4_u16,
    ) {
        let Some(strip) = d.around.strip(d.area, d.sides) else { return Ok(()) };
        let Around { picture, pixels_per_point, .. } = d.around;
        let tiles = &strip.details[0];
        let extent = extent(tiles[0].size(), picture, pixels_per_point);
        let uv = part(place, extent, picture);
        prop_assert!(extent.width > 1.0 || (uv.left() > -0.01 && uv.right() < 1.01), "{:?}", uv);
        prop_assert!(extent.height > 1.0 || (uv.top() > -0.01 && uv.bottom() < 1.01), "{:?}", uv);
        // As the brush draws it: `uv` over the tile.
        let drawn = |tile: &Rect| Placed { rect: *tile, uv, whole: tile.size() / uv.size() };
        let at = vec2(at.0, at.1);
        let points: Vec<_> = tiles.iter().map(|tile| drawn(tile).share(tile.min + tile.size() * at)).collect();
        for point in &points {
            prop_assert!((*point - points[0]).length() < 1e-4, "{:?}", points);
        }
        // A picture's pixel is three of the screen's, and a smaller picture's so many times more.
        let whole = drawn(&tiles[0]).whole * pixels_per_point;
        prop_assert!((whole / picture - Vec2::splat(ENLARGED as f32)).length() < 0.02, "{:?}", whole);
        let smaller = (picture / f32::from(low)).floor().max(Vec2::splat(1.0));
        let pixel = |size: Vec2| (points[0].to_vec2() * size).floor();
        let middle = |size: Vec2| (pixel(size) + Vec2::splat(0.5)) / size;
        let apart = (middle(picture) - middle(smaller)).abs();
        let half = Vec2::splat(0.51) / smaller + Vec2::splat(0.51) / picture;
        prop_assert!(apart.x <= half.x && apart.y <= half.y, "{:?} of {:?} and {:?}", apart, picture, smaller);
        // In the large pictures the same.
        for pane in panes(d.around.layout, strip.desk, d.around.label, d.around.gap) {
            let room = Room { rect: pane.room, align: pane.align, picture, pixels_per_point };
            let placed = room.place(&view);
            let seen = placed.share(placed.point(points[0]));
            prop_assert!((seen - points[0]).length() < 1e-3, "{:?}: {:?}", seen, points[0]);
        }
    }
}

#[test]
fn usual_windows_have_room_for_it() {
    // What is left for the pictures of a window of 1000x700, 1300x800 and 3840x2160, by their shape.
    let areas = [(984.0, 330.0), (1284.0, 430.0), (3824.0, 1790.0)];
    for ((w, h), picture) in areas.into_iter().flat_map(|a| [(960.0, 720.0), (1280.0, 720.0)].map(|p| (a, p))) {
        for layout in Layout::ALL {
            let picture = vec2(picture.0, picture.1);
            let around = Around { layout, picture, label: 30.0, gap: 8.0, pixels_per_point: 1.0 };
            let sides = if layout == Layout::FourUp { 4 } else { 2 };
            let area = Rect::from_min_size(pos2(8.0, 90.0), vec2(w, h));
            let strip = around.strip(area, sides);
            assert!(strip.is_some(), "{layout:?} in {w}x{h}");
        }
    }
    let around = Around {
        layout: Layout::SideBySide,
        picture: vec2(960.0, 720.0),
        label: 30.0,
        gap: 8.0,
        pixels_per_point: 1.0,
    };
    assert_eq!(around.strip(Rect::from_min_size(pos2(0.0, 0.0), vec2(150.0, 90.0)), 2), None);
}
