//! Pictures of the terminal for the documentation: a captured screen becomes an SVG.

use std::fmt::Write as _;
use std::num::NonZeroU16;
use std::path::Path;

use vt100::{Cell, Color, Parser};

use crate::common::{Size, Terminal};

const CELL_WIDTH: f32 = 8.4;
const LINE_HEIGHT: f32 = 18.0;
const MARGIN: f32 = 12.0;
const BACKGROUND: &str = "#1b1f27";
const TEXT: &str = "#d8dee9";
/// The first 16 colours of a terminal.
const PALETTE: [&str; 16] = [
    "#3b4252", "#e5646e", "#8fce72", "#e8c268", "#6ea2e8", "#c58ae0", "#63c8d4", "#d8dee9",
    "#7b8496", "#ff7b85", "#a9e58d", "#ffd87f", "#8dbbff", "#dba6f2", "#83e0ea", "#ffffff",
];

/// Writes the screen as `docs/pictures/<name>.svg`, if `RASYNQ_WRITE_PICTURES` is 1.
pub fn write(terminal: &Terminal, name: &str, size: Size) {
    if std::env::var_os("RASYNQ_WRITE_PICTURES").is_none_or(|value| value != "1") {
        return;
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/pictures");
    std::fs::create_dir_all(&folder).unwrap();
    let picture = svg(&terminal.coloured(), size);
    std::fs::write(folder.join(format!("{name}.svg")), picture).unwrap();
}

/// The picture of a captured screen.
pub fn svg(captured: &str, (columns, lines): Size) -> String {
    let size = [lines, columns].map(|size| NonZeroU16::new(size).unwrap());
    let mut parser = Parser::new(size[0], size[1], 0);
    parser.process(
        captured
            .trim_end_matches('\n')
            .replace('\n', "\r\n")
            .as_bytes(),
    );
    let width = f32::from(columns) * CELL_WIDTH + 2.0 * MARGIN;
    let height = f32::from(lines) * LINE_HEIGHT + 2.0 * MARGIN;
    let mut picture = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.1} {height:.1}\" width=\"{width:.0}\" \
         font-family=\"ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace\" font-size=\"14\" shape-rendering=\"crispEdges\">\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"{BACKGROUND}\"/>\n"
    );
    for line in 0..lines {
        draw_line(&parser, line, columns, &mut picture);
    }
    picture.push_str("</svg>\n");
    picture
}

/// How a cell looks.
#[derive(Clone, Copy, PartialEq)]
struct Look {
    text: &'static str,
    ground: Option<&'static str>,
    is_bold: bool,
    is_dim: bool,
}

impl Look {
    fn of(cell: &Cell) -> Self {
        let text = colour(cell.fgcolor());
        let ground = colour(cell.bgcolor());
        let (text, ground) = match cell.inverse() {
            true => (ground.or(Some(BACKGROUND)), text.or(Some(TEXT))),
            false => (text, ground),
        };
        Self {
            text: text.unwrap_or(TEXT),
            ground,
            is_bold: cell.bold(),
            is_dim: cell.dim(),
        }
    }
}

fn colour(colour: Color) -> Option<&'static str> {
    match colour {
        Color::Default => None,
        Color::Idx(index) => PALETTE.get(usize::from(index)).copied(),
        // the dashboard uses the 16 colours of the terminal only
        Color::Rgb(..) => None,
    }
}

fn draw_line(parser: &Parser, line: u16, columns: u16, picture: &mut String) {
    let y = MARGIN + f32::from(line) * LINE_HEIGHT;
    let mut run: Option<(u16, Look, String)> = None;
    for column in 0..=columns {
        let cell = parser.screen().cell(line, column);
        let contents = cell.map_or(" ", |cell| match cell.has_contents() {
            true => cell.contents(),
            false => " ",
        });
        let look = cell.filter(|_| column < columns).map(Look::of);
        let block = block(contents);
        match (&mut run, look) {
            (Some((_, same, text)), Some(look)) if *same == look && block.is_none() => {
                text.push_str(contents);
                continue;
            }
            _ => {}
        }
        if let Some((start, look, text)) = run.take() {
            draw_run(start, y, look, &text, picture);
        }
        match (look, block) {
            (Some(look), Some(height)) => {
                draw_ground(column, 1, y, look, picture);
                draw_block(column, y, height, look, picture);
            }
            (Some(look), None) => run = Some((column, look, contents.to_owned())),
            (None, _) => {}
        }
    }
}

/// The height of a block of a sparkline, in eighths. Fonts draw them with gaps.
fn block(contents: &str) -> Option<u32> {
    let char = contents.chars().next()?;
    ('▁'..='█')
        .contains(&char)
        .then(|| u32::from(char) - u32::from('▁') + 1)
}

fn x(column: u16) -> f32 {
    MARGIN + f32::from(column) * CELL_WIDTH
}

fn draw_ground(column: u16, cells: usize, y: f32, look: Look, picture: &mut String) {
    if let Some(ground) = look.ground {
        let width = cells as f32 * CELL_WIDTH;
        let _ = writeln!(
            picture,
            "<rect x=\"{:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{LINE_HEIGHT:.1}\" fill=\"{ground}\"/>",
            x(column)
        );
    }
}

fn draw_block(column: u16, y: f32, eighths: u32, look: Look, picture: &mut String) {
    let height = (LINE_HEIGHT - 3.0) * eighths as f32 / 8.0;
    let _ = writeln!(
        picture,
        "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{CELL_WIDTH:.1}\" height=\"{height:.1}\" fill=\"{}\"/>",
        x(column),
        y + LINE_HEIGHT - 1.0 - height,
        look.text
    );
}

fn draw_run(start: u16, y: f32, look: Look, text: &str, picture: &mut String) {
    let cells = text.chars().count();
    draw_ground(start, cells, y, look, picture);
    let shown = text.trim_end();
    if shown.is_empty() {
        return;
    }
    let spaces = shown.chars().take_while(|char| *char == ' ').count();
    let shown = shown.trim_start();
    let width = shown.chars().count() as f32 * CELL_WIDTH;
    let bold = if look.is_bold {
        " font-weight=\"bold\""
    } else {
        ""
    };
    let dim = if look.is_dim { " opacity=\"0.6\"" } else { "" };
    let escaped = shown
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    let _ = writeln!(
        picture,
        "<text x=\"{:.1}\" y=\"{:.1}\" textLength=\"{width:.1}\" fill=\"{}\"{bold}{dim} xml:space=\"preserve\">{escaped}</text>",
        x(start) + spaces as f32 * CELL_WIDTH,
        y + LINE_HEIGHT - 5.0,
        look.text
    );
}
