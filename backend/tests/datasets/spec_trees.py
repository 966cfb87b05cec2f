"""Small folders in the public layouts of the sets with a ready-made dataset spec; images are empty files."""

from __future__ import annotations

from pathlib import Path

CHEST14_HEAD = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,{sex},View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y],"
)
CHEXPERT_CLASSES = (
    "No Finding,Enlarged Cardiomediastinum,Cardiomegaly,Lung Opacity,Lung Lesion,Edema,Consolidation,Pneumonia,"
    "Atelectasis,Pneumothorax,Pleural Effusion,Pleural Other,Fracture,Support Devices"
)
VINDR_FINDINGS = (
    "Aortic enlargement,Atelectasis,Calcification,Cardiomegaly,Clavicle fracture,Consolidation,Edema,Emphysema,Enlarged PA,"
    "ILD,Infiltration,Lung Opacity,Lung cavity,Lung cyst,Mediastinal shift,Nodule/Mass,Pleural effusion,Pleural thickening,"
    "Pneumothorax,Pulmonary fibrosis,Rib fracture,Other lesion,COPD,Lung tumor,Pneumonia,Tuberculosis"
)


def write(root: Path, files: dict[str, str]) -> Path:
    """Write texts below a folder."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return root


def chestxray14(root: Path, sex: str = "Patient Sex", kaggle: bool = False) -> Path:
    """As the NIH's archives unpack, or as Kaggle's copy does."""
    table, folder = ("Data_Entry_2017.csv", "images_{}/images") if kaggle else ("Data_Entry_2017_v2020.csv", "images")
    rows = [
        "00000001_000.png,Cardiomegaly,0,1,57,M,PA,2682,2749,0.143,0.143,",
        "00000001_001.png,Cardiomegaly|Emphysema,1,1,58,M,PA,2894,2729,0.143,0.143,",
        "00000002_000.png,No Finding,0,2,80,M,AP,2500,2048,0.171,0.171,",
        "00000003_000.png,Hernia,0,3,81,F,PA,2582,2991,0.143,0.143,",
    ]
    return write(
        root,
        {
            table: "\n".join([CHEST14_HEAD.format(sex=sex), *rows]) + "\n",
            "train_val_list.txt": "00000001_000.png\n00000001_001.png\n00000003_000.png\n",
            "test_list.txt": "00000002_000.png\n",
            f"{folder.format('001')}/00000001_000.png": "",
            f"{folder.format('001')}/00000001_001.png": "",
            f"{folder.format('002')}/00000002_000.png": "",
            f"{folder.format('012')}/00000003_000.png": "",
        },
    )


def chexpert(root: Path) -> Path:
    head = f"Path,Sex,Age,Frontal/Lateral,AP/PA,{CHEXPERT_CLASSES}\n"
    at = "CheXpert-v1.0-small"
    train = (
        f"{at}/train/patient00001/study1/view1_frontal.jpg,Female,68,Frontal,AP,1.0,,,,,,,,,0.0,,,,1.0\n"
        f"{at}/train/patient00002/study2/view1_frontal.jpg,Female,87,Frontal,AP,,,-1.0,1.0,,-1.0,-1.0,,-1.0,,-1.0,,1.0,\n"
        f"{at}/train/patient00002/study2/view2_lateral.jpg,Female,87,Lateral,,,,-1.0,1.0,,-1.0,-1.0,,-1.0,,-1.0,,1.0,\n"
    )
    valid = f"{at}/valid/patient64541/study1/view1_frontal.jpg,Male,73,Frontal,AP,{','.join(['0.0'] * 13)},1.0\n"
    images = [line.split(",")[0].split("/", 1)[1] for line in (train + valid).splitlines()]
    return write(root, {"train.csv": head + train, "valid.csv": head + valid, **dict.fromkeys(images, "")})


def mimic_cxr(root: Path) -> Path:
    classes = ",".join(sorted(CHEXPERT_CLASSES.split(",")))
    return write(
        root,
        {
            "mimic-cxr-2.0.0-metadata.csv": "dicom_id,subject_id,study_id,ViewPosition,Rows,Columns\n"
            "02aa804e-bde0afdd,10000032,50414267,PA,3056,2544\n174413ec-4ec4c1f7,10000032,50414267,LATERAL,3056,2544\n"
            "2a2277a9-b0ded155,10000764,57375967,AP,3056,2544\n0c4eb1e1-b801903c,11000566,52000001,PA,3056,2544\n",
            "mimic-cxr-2.0.0-split.csv": "dicom_id,study_id,subject_id,split\n"
            "02aa804e-bde0afdd,50414267,10000032,train\n174413ec-4ec4c1f7,50414267,10000032,train\n"
            "2a2277a9-b0ded155,57375967,10000764,validate\n0c4eb1e1-b801903c,52000001,11000566,test\n",
            # in alphabetical order, and nothing of the third study
            "mimic-cxr-2.0.0-chexpert.csv": f"subject_id,study_id,{classes}\n"
            "10000032,50414267,,,,,,,,,1.0,,,,,\n10000764,57375967,0.0,,1.0,,,,,-1.0,,,,,,\n",
            "files/p10/p10000032/s50414267/02aa804e-bde0afdd.jpg": "",
            "files/p10/p10000764/s57375967/2a2277a9-b0ded155.jpg": "",
            "files/p11/p11000566/s52000001/0c4eb1e1-b801903c.jpg": "",
        },
    )


def rsna_pneumonia(root: Path) -> Path:
    return write(
        root,
        {
            "stage_2_detailed_class_info.csv": "patientId,class\n0004cfab,No Lung Opacity / Not Normal\n"
            "00436515,Lung Opacity\n00436515,Lung Opacity\n00322d4d,Normal\n",
            **{f"stage_2_train_images/{name}.dcm": "" for name in ("0004cfab", "00436515", "00322d4d")},
        },
    )


def vindr_cxr(root: Path) -> Path:
    def row(image: str, *found: str, reader: str = "") -> str:
        names = [*VINDR_FINDINGS.split(","), "Other", "No finding"]
        marks = ",".join(str(int(name in found)) for name in names)
        return f"{image},{reader},{marks}\n" if reader else f"{image},{marks}\n"

    train = (
        row("aa", "Pneumonia", "Pleural effusion", reader="R1") + row("bb", "No finding", reader="R9")
        + row("aa", "Pneumonia", reader="R2") + row("aa", "No finding", reader="R3")
        + row("bb", "Other", reader="R8") + row("bb", "Other", reader="R10")
    )  # fmt: skip
    return write(
        root,
        {
            "annotations/image_labels_train.csv": f"image_id,rad_id,{VINDR_FINDINGS},Other diseases,No finding\n{train}",
            "annotations/image_labels_test.csv": f"image_id,{VINDR_FINDINGS},Other disease,No finding\n{row('cc', 'Other')}",
            "train/aa.dicom": "",
            "train/bb.dicom": "",
            "test/cc.dicom": "",
        },
    )


def shenzhen(root: Path) -> Path:
    names = ("CHNCXR_0001_0.png", "CHNCXR_0327_1.png", "Thumbs.db")
    return write(root, {f"CXR_png/{name}": "" for name in names})


TREES = {
    "chestxray14": chestxray14, "chexpert": chexpert, "mimic-cxr": mimic_cxr, "rsna-pneumonia": rsna_pneumonia,
    "vindr-cxr": vindr_cxr, "shenzhen": shenzhen,
}  # fmt: skip
