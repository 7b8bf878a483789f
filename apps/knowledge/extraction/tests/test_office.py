"""What Office's documents keep beside plain paragraphs is found, too, and what was taken out of them is not."""

import pptx
from pptx.util import Inches

from apps.knowledge.extraction import extract
from apps.knowledge.extraction.tests import corpus
from apps.knowledge.extraction.tests.compounds import workbook
from apps.knowledge.extraction.tests.hostile import document, paragraph, sheet

CHANGED = (
    "<w:p><w:r><w:t>kept </w:t></w:r><w:del><w:r><w:delText>gone</w:delText></w:r></w:del>"
    "<w:ins><w:r><w:t>new</w:t></w:r></w:ins><w:r><w:tab/><w:t>next</w:t><w:br/><w:t>line</w:t></w:r></w:p>"
)
BOX = (
    "<w:p><w:r><w:t>Beside</w:t></w:r><w:r><mc:AlternateContent xmlns:mc="
    '"http://schemas.openxmlformats.org/markup-compatibility/2006"><mc:Choice><w:drawing><w:txbxContent>{0}'
    "</w:txbxContent></w:drawing></mc:Choice><mc:Fallback><w:pict><w:txbxContent>{0}</w:txbxContent></w:pict>"
    "</mc:Fallback></mc:AlternateContent></w:r></w:p>"
)
CELL = "<w:tc>{}</w:tc>"
NESTED = "<w:tbl><w:tr>{}{}</w:tr></w:tbl>"


def texts(content: bytes) -> list[str]:
    return [block.text for block in extract(content, filename="x").blocks if block.text != "Confidential"]


def test_changes_are_taken_as_accepted():
    assert texts(document(CHANGED)) == ["kept new\tnext\nline"]


def test_what_stands_in_controls_and_boxes_is_read_once():
    body = f"<w:sdt><w:sdtContent>{paragraph('Controlled')}</w:sdtContent></w:sdt>" + BOX.format(paragraph("Boxed"))
    assert texts(document(body)) == ["Controlled", "Beside", "Boxed"]


def test_a_table_within_a_cell_becomes_its_text():
    inner = NESTED.format(CELL.format(paragraph("a")), CELL.format(paragraph("b")))
    wide = "<w:tcPr><w:gridSpan w:val='2'/></w:tcPr>"
    body = (
        f"<w:tbl><w:tr>{CELL.format(wide + paragraph('Head'))}</w:tr>"
        f"<w:tr>{CELL.format(paragraph('One') + inner)}{CELL.format(paragraph('Two'))}</w:tr></w:tbl>"
    )
    assert texts(document(body)) == ["| Head |  |\n| --- | --- |\n| One a b | Two |"]


def test_a_note_follows_the_paragraph_that_refers_to_it():
    name = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    body = "<w:p><w:r><w:t>Claim</w:t><w:footnoteReference w:id='2'/></w:r></w:p>" + paragraph("Next")
    notes = f"<w:footnotes xmlns:w='{name}'><w:footnote w:id='2'>{paragraph('Proof')}</w:footnote></w:footnotes>"
    relations = corpus.unzipped(corpus.word())["word/_rels/document.xml.rels"].decode()
    kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/footnotes"
    added = f'<Relationship Id="rId99" Type="{kind}" Target="footnotes.xml"/></Relationships>'
    parts = {
        "word/footnotes.xml": notes,
        "word/_rels/document.xml.rels": relations.replace("</Relationships>", added),
    }
    assert texts(corpus.with_members(document(body), parts)) == ["Claim", "Proof", "Next"]


def test_a_relation_that_climbs_out_of_the_file_is_followed_nowhere():
    relations = corpus.unzipped(corpus.word())["word/_rels/document.xml.rels"].decode()
    climbing = relations.replace('Target="styles.xml"', 'Target="../../../../etc/passwd"')
    content = corpus.with_members(corpus.word(), {"word/_rels/document.xml.rels": climbing})
    assert "Welcome to the platform." in texts(content)


def test_shapes_in_groups_are_read():
    show = pptx.Presentation()
    slide = show.slides.add_slide(show.slide_layouts[5])
    slide.shapes.title.text = "Groups"
    group = slide.shapes.add_group_shape()
    box = group.shapes.add_textbox(Inches(1), Inches(1), Inches(2), Inches(1))
    box.text_frame.text = "Inside"
    assert texts(corpus.saved(show)) == ["Groups", "Inside"]


def test_an_old_workbook_is_read():
    read = extract(workbook(corpus.TABLE), filename="x.xls")
    assert (read.media_type, read.pages) == ("application/vnd.ms-excel", 1)
    assert [block.text for block in read.blocks] == ["Engines", corpus.ROWS]


def test_cells_are_shown_as_a_reader_would_write_them():
    cells = (
        '<row r="2"><c r="B2"><v>3</v></c><c r="C2"><v>2.5</v></c><c r="D2" t="b"><v>1</v></c>'
        '<c r="E2" t="inlineStr"><is><t>a|b</t></is></c></row><row r="9"><c r="B9"><v>12345678901</v></c></row>'
    )
    assert texts(sheet(cells))[:2] == [
        "Engines",
        "| 3 | 2.5 | TRUE | a\\|b |\n| --- | --- | --- | --- |\n| 12345678901 |  |  |  |",
    ]
