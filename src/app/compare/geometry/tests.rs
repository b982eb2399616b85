use super::*;
use crate::app::compare::panes::{Layout, around, panes};
use proptest::prelude::*;

const LABEL: f32 = 28.0;
const GAP: f32 = 8.0;

#[derive(Debug, Clone, Copy)]
struct Placement {
    area: Rect,
    picture: Vec2,
    pixels_per_point: f32,
}

impl Placement {
    fn rooms(&self, layout: Layout) -> Vec<Room> {
        panes(layout, self.area, LABEL, GAP)
            .into_iter()
            .map(|p| Room {
                rect: p.room,
                align: p.align,
                picture: self.picture,
                pixels_per_point: self.pixels_per_point,
            })
            .collect()
    }

    /// One screen pixel, and what f32 loses at such sizes.
    fn pixel(&self) -> f32 {
        1.02 / self.pixels_per_point
    }
}

prop_compose! {
    fn desk()(w in 300.0..4000.0_f32, h in 260.0..2200.0_f32, pw in 8..4000_u16, ph in 8..4000_u16,
        pixels_per_point in 0.75..3.0_f32) -> Placement
    {
        Placement {
            area: Rect::from_min_size(pos2(7.0, 50.0), vec2(w, h)),
            picture: vec2(pw.into(), ph.into()),
            pixels_per_point,
        }
    }
}

fn layout() -> impl Strategy<Value = Layout> {
    (0..Layout::ALL.len()).prop_map(|i| Layout::ALL[i])
}

fn view() -> impl Strategy<Value = PanZoom> {
    let zoom = prop_oneof![Just(Zoom::Fit), (MIN_ZOOM..MAX_ZOOM).prop_map(Zoom::Times)];
    (zoom, -0.5..1.5_f32, -0.5..1.5_f32).prop_map(|(zoom, x, y)| PanZoom { zoom, centre: (x, y) })
}

fn zooming_keeps_it(
    d: Placement,
    layout: Layout,
    view: PanZoom,
    share: Vec2,
    factor: f32,
) -> Result<(), TestCaseError> {
    for room in d.rooms(layout) {
        let before = room.place(&view);
        let at = before.rect.min + share * before.rect.size();
        let view = room.zoomed(&view, at, factor);
        let Zoom::Times(times) = view.zoom else { panic!("{view:?}") };
        prop_assert!((MIN_ZOOM..=MAX_ZOOM).contains(&times));
        let after = room.place(&view);
        let moved = after.point(before.share(at)) - at;
        let axes = [(moved.x, after.uv.x_range(), after.whole.x), (moved.y, after.uv.y_range(), after.whole.y)];
        for (moved, uv, whole) in axes {
            // At the picture's edge, to a pixel, it has to give way; everywhere else it stays, to a pixel.
            let held = uv.min.min(1.0 - uv.max) * whole < d.pixel().max(2e-3 * whole);
            prop_assert!(held || moved.abs() <= 1.5 * d.pixel(), "{} {:?}", moved, uv);
        }
    }
    Ok(())
}

/// A flat picture whose lower edge lay within a pixel of the seen part's, which is more than a share of 0.002.
#[test]
fn zooming_at_the_edge_of_a_small_picture_on_a_coarse_screen() {
    let area = Rect::from_min_max(pos2(7.0, 50.0), pos2(1240.2, 310.0));
    let d = Placement { area, picture: vec2(1074.0, 121.0), pixels_per_point: 0.75 };
    let view = PanZoom { zoom: Zoom::Fit, centre: (0.0, 0.0) };
    zooming_keeps_it(d, Layout::FourUp, view, vec2(0.0, 0.911_967_9), 2.057_068_3).unwrap();
}

proptest! {
    #[test]
    fn panes_are_equal_inside_and_apart(d in desk(), layout in layout(), view in view()) {
        let rooms = d.rooms(layout);
        let (columns, rows) = layout.columns_and_rows();
        prop_assert_eq!(rooms.len(), columns * rows);
        let placed: Vec<Placed> = rooms.iter().map(|r| r.place(&view)).collect();
        for (i, p) in placed.iter().enumerate() {
            prop_assert!((p.rect.size() - placed[0].rect.size()).length() < 0.01);
            prop_assert!((p.uv.min - placed[0].uv.min).length() < 1e-5);
            prop_assert!(rooms[i].rect.expand(d.pixel()).contains_rect(p.rect), "{:?} in {:?}", p.rect, rooms[i].rect);
            prop_assert!(d.area.expand(d.pixel()).contains_rect(p.rect));
            for other in &placed[i + 1..] {
                prop_assert!(!p.rect.shrink(d.pixel()).intersects(other.rect.shrink(d.pixel())));
            }
        }
    }

    #[test]
    fn the_shape_is_kept_and_only_the_picture_is_shown(d in desk(), layout in layout(), view in view()) {
        let room = d.rooms(layout)[0];
        let p = room.place(&view);
        let shown = p.uv.size() * d.picture;
        let (x, y) = (p.rect.width() / shown.x, p.rect.height() / shown.y);
        prop_assert!((x / y - 1.0).abs() < 0.01, "{} {}", x, y);
        prop_assert!(p.uv.min.x > -1e-4 && p.uv.max.x < 1.0001 && p.uv.min.y > -1e-4 && p.uv.max.y < 1.0001);
        if view.zoom == Zoom::Fit {
            // Whole, and as large as possible.
            prop_assert!((p.uv.size() - Vec2::splat(1.0)).length() < 0.02, "{:?}", p.uv);
            let spare = room.rect.size() - p.rect.size();
            prop_assert!(spare.x.min(spare.y) < 2.0 * d.pixel());
        }
    }

    #[test]
    fn the_same_place_in_each_pane_is_the_same_point(d in desk(), layout in layout(), view in view(),
        x in 0.0..1.0_f32, y in 0.0..1.0_f32)
    {
        let placed: Vec<Placed> = d.rooms(layout).iter().map(|r| r.place(&view)).collect();
        let at = |p: &Placed| p.share(p.rect.min + vec2(x, y) * p.rect.size());
        let pixel = |p: &Placed| p.pixel(p.rect.min + vec2(x, y) * p.rect.size() * 0.999, 1920, 1080);
        for p in &placed {
            prop_assert!((at(p) - at(&placed[0])).length() < 1e-4);
            let (Some(a), Some(b)) = (pixel(p), pixel(&placed[0])) else { panic!("outside") };
            prop_assert!(a.0.abs_diff(b.0) <= 1 && a.1.abs_diff(b.1) <= 1);
            // And back again.
            prop_assert!((p.point(at(p)) - (p.rect.min + vec2(x, y) * p.rect.size())).length() < 0.1 * d.pixel() + 0.02);
        }
    }

    #[test]
    fn zooming_keeps_what_is_under_the_pointer(d in desk(), layout in layout(), view in view(),
        x in 0.0..1.0_f32, y in 0.0..1.0_f32, factor in 0.3..4.0_f32)
    {
        zooming_keeps_it(d, layout, view, vec2(x, y), factor)?;
    }

    #[test]
    fn dragging_moves_the_picture_with_the_pointer(d in desk(), view in view(), dx in -80.0..80.0_f32, dy in -80.0..80.0_f32) {
        let room = d.rooms(Layout::Wipe)[0];
        let before = room.place(&view);
        let view = view.dragged(&before, vec2(dx, dy));
        let after = room.place(&view);
        for (moved, wanted, uv) in [
            ((before.uv.min.x - after.uv.min.x) * after.whole.x, dx, after.uv.x_range()),
            ((before.uv.min.y - after.uv.min.y) * after.whole.y, dy, after.uv.y_range()),
        ] {
            let held = uv.min < 1e-3 || uv.max > 0.999;
            prop_assert!(held || (moved - wanted).abs() <= 1.5 * d.pixel(), "{} {} {:?}", moved, wanted, uv);
        }
    }

    #[test]
    fn a_divider_parts_the_picture_without_moving_it(d in desk(), view in view(), split in 0.0..1.0_f32) {
        let whole = d.rooms(Layout::Wipe)[0].place(&view);
        let [a, b] = whole.wiped(split);
        let width: f32 = [a, b].iter().flatten().map(|p| p.rect.width()).sum();
        prop_assert!((width - whole.rect.width()).abs() < 0.01);
        for part in [a, b].iter().flatten() {
            let at = part.rect.center();
            prop_assert!((part.share(at) - whole.share(at)).length() < 1e-4);
            prop_assert!((part.uv.center() - whole.share(at)).length() < 1e-4);
        }
        if let (Some(a), Some(b)) = (a, b) {
            prop_assert_eq!(a.rect.right(), b.rect.left());
            let back = whole.split(whole.divider(split));
            prop_assert!(back == 0.0 || back == 1.0 || (back - split).abs() * whole.rect.width() < 1.0);
        }
    }
}

fn desk_of(w: f32, h: f32) -> Placement {
    Placement { area: Rect::from_min_size(Pos2::ZERO, vec2(w, h)), picture: vec2(960.0, 720.0), pixels_per_point: 1.0 }
}

#[test]
fn a_picture_that_fits_is_shown_whole_and_towards_the_other() {
    let placed: Vec<Placed> =
        desk_of(1288.0, 668.0).rooms(Layout::SideBySide).iter().map(|r| r.place(&PanZoom::default())).collect();
    assert_eq!(placed[0].rect.size(), vec2(640.0, 480.0));
    assert_eq!(placed[0].uv, Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0)));
    assert_eq!((placed[0].rect.right(), placed[1].rect.left()), (640.0, 648.0));
}

#[test]
fn one_to_one_is_exact_at_any_place() {
    let room = desk_of(1288.0, 668.0).rooms(Layout::SideBySide)[1];
    for centre in [0.1, 0.4567, 0.5, 0.913] {
        let p = room.place(&PanZoom { zoom: Zoom::Times(1.0), centre: (centre, centre) });
        let corner = p.uv.min.to_vec2() * vec2(960.0, 720.0);
        assert!((corner - corner.round()).length() < 1e-3, "{corner:?}");
        assert_eq!((p.rect.min.round(), p.rect.size().round()), (p.rect.min, p.rect.size()));
    }
}

#[test]
fn a_divider_snaps_to_the_ends() {
    let p = desk_of(968.0, 748.0).rooms(Layout::Wipe)[0].place(&PanZoom::default());
    assert_eq!(p.split(p.rect.left() + 5.0), 0.0);
    assert_eq!(p.split(p.rect.right() + 50.0), 1.0);
    assert!(p.wiped(0.0)[0].is_none() && p.wiped(1.0)[1].is_none());
    assert_eq!(p.wiped(0.0)[1], Some(p));
}

#[test]
fn a_loupe_shows_what_is_around_the_pointer() {
    let p = desk_of(968.0, 748.0).rooms(Layout::Wipe)[0].place(&PanZoom::default());
    let uv = p.loupe(pos2(0.5, 0.25), 96.0, 8.0);
    assert!((uv.center() - pos2(0.5, 0.25)).length() < 1e-6);
    assert!((uv.width() * p.whole.x - 12.0).abs() < 1e-3);
}

proptest! {
    #[test]
    fn what_is_around_the_pictures_is_all_the_rest(d in desk(), layout in layout(), view in view()) {
        let pictures: Vec<Rect> = d.rooms(layout).iter().map(|r| r.place(&view).rect.intersect(d.area)).collect();
        let rest = around(d.area, &pictures);
        let sum: f32 = rest.iter().chain(&pictures).map(|r| r.area()).sum();
        prop_assert!((sum / d.area.area() - 1.0).abs() < 1e-3);
        for (i, a) in rest.iter().enumerate() {
            let apart = |b: &Rect| !a.shrink(0.01).intersects(b.shrink(0.01));
            prop_assert!(pictures.iter().all(apart) && rest[i + 1..].iter().all(apart));
        }
    }
}
