"""The PDF kit: text that can be shown, one compiler a process, and nothing compiled before it is wanted."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from apps.core import pdf
from apps.core.pdf import compiler, printable
from tests.support.documents import build_document_data
from tests.support.pdf_text import attachments_of

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = "invoicing/documents/invoice.typ"
DATA = """
import json, os, sys
from tests.support.documents import build_document_data
from apps.core import pdf
from apps.core.pdf import compiler
"""


def run(program: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a process of its own that has the settings of the tests."""
    return subprocess.run(
        [sys.executable, "-c", f"import django; django.setup()\n{program}"],
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings.test"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


class TestPrintable:
    @pytest.mark.parametrize(
        "text",
        ["", "Handloom kurta", "महात्मा गांधी मार्ग", "தமிழ்நாடு", "క్‌ష", "₹1,179.00 · é – “x” …", "र्‍य"],
    )
    def test_what_can_be_shown_stays(self, text: str) -> None:
        sanitizer = printable.TextSanitizer()

        assert sanitizer.clean(text) == text
        assert sanitizer.replaced == set()

    @pytest.mark.parametrize(
        ("text", "shown", "replaced"),
        [
            ("a😀😀b", "a■b", {"U+1F600"}),
            ("A\u093f", "A", {"U+093F"}),
            ("\u202eabc\u202c\u200f\ufeff\u00ad", "abc", set()),
            ("a\u200db \u200cc", "ab c", set()),
            ("a  b\tc\u00a0d", "a b c d", set()),
            ("first\r\nsecond\n", "first\nsecond", set()),
            ("e" + "\u0301" * 50, "e\u0301\u0301", set()),
            ("क" + "\u093f" * 50, "क" + "\u093f" * 6, set()),
            ("\ue000\U0010ffff", "■", {"U+E000", "U+10FFFF"}),
            ("❤\ufe0f", "■", {"U+2764"}),
        ],
    )
    def test_what_cannot_be_shown_is_left_out_or_replaced(self, text: str, shown: str, replaced: set[str]) -> None:
        sanitizer = printable.TextSanitizer()

        assert sanitizer.clean(text) == shown
        assert sanitizer.replaced == replaced

    def test_long_words_may_break_but_never_within_a_letter(self) -> None:
        clean = printable.TextSanitizer().clean

        assert clean("x" * 24) == "x" * 24
        assert clean("x" * 25) == "\u200b".join(["x" * 8, "x" * 8, "x" * 8, "x"])
        for piece in clean("क्ष" * 60).split("\u200b"):
            assert piece[0] == "क" or piece[0] == "ष"
            assert not piece.endswith("\u094d")

    def test_keys_numbers_and_shapes_stay(self) -> None:
        value = {"a😀": [1, 2.5, None, True, ("x😀", {"b": "y"})]}

        assert printable.TextSanitizer().clean(value) == {"a😀": [1, 2.5, None, True, ["x■", {"b": "y"}]]}

    def test_all_faces_of_a_family_have_the_same_letters(self) -> None:
        for regular in printable.FONTS.glob("*-Regular.ttf"):
            faces = list(printable.FONTS.glob(regular.name.replace("-Regular", "-*")))
            assert len(faces) >= 2
            assert {printable.read_coverage(face) for face in faces} == {printable.read_coverage(regular)}

    def test_the_fonts_have_the_ten_scripts_and_the_rupee(self) -> None:
        latin = printable.read_coverage(printable.FONTS / "SourceSansPro-Regular.ttf")
        assert set(map(ord, "₹■·–…éüñĀ0123456789AZaz%&")) <= latin
        for script, sample in {
            "Devanagari": "कि", "Bengali": "কি", "Gurmukhi": "ਕਿ", "Gujarati": "કિ", "Oriya": "କି", "Tamil": "கி", "Telugu": "కి",
            "Kannada": "ಕಿ", "Malayalam": "കി",
        }.items():  # fmt: skip
            assert set(map(ord, sample)) <= printable.read_coverage(printable.FONTS / f"NotoSans{script}-Regular.ttf")

    def test_the_template_names_every_font_that_is_here(self) -> None:
        kit = (compiler.APPS / "core/pdf/kit.typ").read_text()
        for regular in printable.FONTS.glob("*-Regular.ttf"):
            family = regular.name.removesuffix("-Regular.ttf").replace("NotoSans", "Noto Sans ")
            assert f'"{family.replace("SourceSansPro", "Source Sans Pro")}"' in kit


class TestRender:
    def test_replaced_letters_are_logged_by_code_alone(self, caplog: pytest.LogCaptureFixture) -> None:
        pdf.render(PAGE, {**build_document_data(), "payment_reference": "secret 😀"})

        assert "document_characters_replaced" in caplog.text
        assert "U+1F600" in caplog.text
        assert "secret" not in caplog.text

    def test_an_unprintable_letter_costs_pdf_a_and_not_the_document(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(printable.TextSanitizer, "clean", lambda self, value: value)

        content = pdf.render(PAGE, {**build_document_data(), "payment_reference": "secret😀secret"})

        assert content.startswith(b"%PDF-")
        assert b"<pdfaid:part>" not in content
        assert "document_rendered_with_less" in caplog.text
        assert "PDF/A-3b error: the text `…`" in caplog.text
        assert "secret" not in caplog.text

    def test_a_template_that_is_wrong_is_an_error(self) -> None:
        with pytest.raises(RuntimeError):
            pdf.render(PAGE, {"date": "2026-11-21"})

    def test_threads_render_one_at_a_time(self) -> None:
        expected = {
            number: pdf.render(PAGE, build_document_data(number)) for number in ("INV260000001", "INV260000002")
        }
        found: list[bool] = []

        def work(number: str) -> None:
            found.extend(pdf.render(PAGE, build_document_data(number)) == expected[number] for _ in range(8))

        threads = [threading.Thread(target=work, args=(number,)) for number in expected for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert found == [True] * 32


class TestProcesses:
    def test_importing_the_application_neither_loads_typst_nor_makes_a_compiler(self) -> None:
        result = run(
            "import sys, config.urls, config.subscriptions, config.schedule, config.celery, config.wsgi\n"
            "from apps.core.pdf import compiler\n"
            "print('typst' in sys.modules, compiler._process.compiler)"
        )

        assert result.stdout.split() == ["False", "None"], result.stderr

    def test_a_child_renders_although_its_parent_made_a_compiler(self) -> None:
        result = run(
            DATA + "compiler.make_compiler()\n"
            "child = os.fork()\n"
            "if not child:\n"
            "    os._exit(0 if pdf.render('invoicing/documents/invoice.typ', build_document_data()).startswith(b'%PDF-') else 3)\n"
            "print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))"
        )

        assert result.stdout.split() == ["0"], result.stderr

    def test_a_child_of_a_process_that_has_rendered_gets_an_error_and_does_not_wait(self) -> None:
        result = run(
            DATA + "page = 'invoicing/documents/invoice.typ'\n"
            "pdf.render(page, build_document_data())\n"
            "child = os.fork()\n"
            "if not child:\n"
            "    try:\n"
            "        pdf.render(page, build_document_data())\n"
            "    except pdf.ForkedAfterRendering:\n"
            "        os._exit(7)\n"
            "    os._exit(3)\n"
            "print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), pdf.render(page, build_document_data())[:5].decode())"
        )

        assert result.stdout.split() == ["7", "%PDF-"], result.stderr

    def test_a_document_is_the_same_bytes_in_every_process(self) -> None:
        program = DATA + (
            "import hashlib\n"
            "for number in ('INV260000009', 'INV260000001'):\n"
            "    content = pdf.render('invoicing/documents/invoice.typ', build_document_data(number))\n"
            "print(hashlib.sha256(content).hexdigest())"
        )
        hashes = {run(program).stdout.strip() for _ in range(2)}

        assert len(hashes) == 1
        assert len(hashes.pop()) == 64


def test_fonts_come_with_their_licence() -> None:
    for family in ("SourceSansPro", "NotoSans"):
        licence = (printable.FONTS / f"OFL-{family}.txt").read_text()
        assert "SIL OPEN FONT LICENSE Version 1.1" in licence
        assert licence.startswith("Copyright")
    assert all(path.stat().st_size < 1_000_000 for path in printable.FONTS.iterdir())


def test_data_are_attached_as_they_are() -> None:
    attached = attachments_of(pdf.render(PAGE, {**build_document_data(), "payment_reference": "😀 \u202eabc"}))

    assert json.loads(attached["document.json"])["payment_reference"] == "😀 \u202eabc"
